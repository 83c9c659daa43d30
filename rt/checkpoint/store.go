package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gridrun/collectives"
	"gridrun/internal/engine"
	"gridrun/rt"
)

var (
	// ErrNone says that there is no complete checkpoint.
	ErrNone = errors.New("no checkpoint")
	// ErrRanks says that another number of ranks has saved: Open reads by part.
	ErrRanks = errors.New("saved by another number of ranks")
)

// A Store is a directory of checkpoints. Its methods are collective; all ranks
// have equal Stores.
type Store struct {
	Dir  string
	Keep int // complete steps that Save leaves; 0: 2
	// Warn, if set, is told on rank 0 of checkpoints that Load has passed over,
	// and of old ones that Save could not remove.
	Warn func(error)

	disk disk // nil: the real one
}

func (s Store) fs() disk {
	if s.disk != nil {
		return s.disk
	}
	return realDisk{}
}

func (s Store) warn(err error) {
	if s.Warn != nil && err != nil {
		s.Warn(err)
	}
}

// written is what a rank says of its part.
type written struct {
	partInfo
	Error string
}

// Save saves the variables of all ranks of the group as a step. It returns nil on
// every rank when the step is complete on disk. A step that was saved before is
// replaced.
func (s Store) Save(ctx context.Context, g rt.Group, step int64, vars ...Var) error {
	if step < 0 {
		return fmt.Errorf("checkpoint: step %d is negative", step)
	}
	var begun answer
	if g.Rank() == 0 {
		var err error
		begun.Dir, err = s.begin(step)
		begun.Error = text(err)
	}
	begun, err := collectives.BcastValue(ctx, g, 0, begun)
	if err != nil {
		return fmt.Errorf("checkpoint: saving step %d: %w", step, err)
	}
	if begun.Error != "" {
		return fmt.Errorf("checkpoint: saving step %d: %s", step, begun.Error)
	}
	w := written{partInfo: partInfo{Host: host(g)}}
	w.Size, w.Sum, err = s.writePart(begun.Dir, partHeader{Step: step, Rank: g.Rank(), Ranks: g.Size(), Host: w.Host}, vars)
	w.Error = text(err)
	all, err := collectives.GatherValues(ctx, g, 0, w)
	if err != nil {
		return fmt.Errorf("checkpoint: saving step %d: %w", step, err)
	}
	var end answer
	if g.Rank() == 0 {
		end.Error = text(s.commit(begun.Dir, step, all))
	}
	if end, err = collectives.BcastValue(ctx, g, 0, end); err != nil {
		return fmt.Errorf("checkpoint: saving step %d: %w", step, err)
	}
	if end.Error != "" {
		return fmt.Errorf("checkpoint: saving step %d: %s", step, end.Error)
	}
	if g.Rank() == 0 {
		s.warn(s.prune(begun.Dir))
	}
	return nil
}

// answer is what rank 0 tells the others.
type answer struct {
	Dir, Error string
	None       bool
	Fatal      int // Load: 1 nothing is there, 2 another number of ranks, 3 anything else
	Manifest   manifest
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// host is where this rank runs.
func host(g rt.Group) string {
	topo := engine.From(g).Proc().Topology
	return topo.Hosts[topo.ProcHost[topo.RankProc[g.WorldRank(g.Rank())]]]
}

// commit is rank 0's second phase: all parts are there, so the step is complete.
func (s Store) commit(dir string, step int64, all []written) error {
	m := manifest{Step: step}
	for r, w := range all {
		if w.Error != "" {
			return fmt.Errorf("rank %d on host %s: %s", r, w.Host, w.Error)
		}
		if size, err := s.fs().size(partPath(dir, r)); err != nil || size != w.Size {
			return fmt.Errorf("rank 0 on host %s does not see what rank %d has written on host %s (%s): the directory must be one that all hosts share",
				all[0].Host, r, w.Host, partPath(dir, r))
		}
		m.Parts = append(m.Parts, w.partInfo)
	}
	b, _, err := seal(completeWord, m)
	if err != nil {
		return err
	}
	return s.put(filepath.Join(dir, "complete"), b)
}

// put makes a file appear whole or not at all.
func (s Store) put(path string, data []byte) error {
	d := s.fs()
	if err := d.write(path+".tmp", data); err != nil {
		return err
	}
	if err := d.rename(path+".tmp", path); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

func (s Store) writePart(dir string, h partHeader, vars []Var) (size int64, sum uint32, err error) {
	b, sum, err := encodePart(h, vars)
	if err != nil {
		return 0, 0, err
	}
	return int64(len(b)), sum, s.put(partPath(dir, h.Rank), b)
}

func partPath(dir string, rank int) string {
	return filepath.Join(dir, fmt.Sprintf("part-%05d", rank))
}

// found is what a rank sees of the store, and what became of its part.
type found struct {
	Host  string
	Steps int
	Error string
	Fatal bool
}

// Load sets the variables to what this rank has saved in the newest complete
// step, and returns that step. Its error is ErrNone when there is none, ErrRanks
// when the group's size is not that of the one which saved. On an error the
// variables are as they were.
func (s Store) Load(ctx context.Context, g rt.Group, vars ...Var) (step int64, err error) {
	fail := func(err error) (int64, error) { return 0, fmt.Errorf("checkpoint: loading from %s: %w", s.Dir, err) }
	dirs, listErr := s.stepDirs()
	seen, err := collectives.GatherValues(ctx, g, 0, found{Host: host(g), Steps: len(dirs)})
	if err != nil {
		return fail(err)
	}
	var snapshots []*Snapshot
	var passed []error
	if g.Rank() == 0 {
		snapshots, passed = s.complete(dirs)
		if listErr != nil {
			passed = append(passed, listErr)
		}
	}
	for {
		var a answer
		if g.Rank() == 0 {
			a = s.choose(g, &snapshots, &passed, seen)
		}
		if a, err = collectives.BcastValue(ctx, g, 0, a); err != nil {
			return fail(err)
		}
		switch a.Fatal {
		case 1:
			return fail(fmt.Errorf("%w%s", ErrNone, a.Error))
		case 2:
			return fail(fmt.Errorf("%w: %s", ErrRanks, a.Error))
		case 3:
			return fail(errors.New(a.Error))
		}
		mine := found{Host: host(g)}
		snap := &Snapshot{manifest: a.Manifest, dir: a.Dir, disk: s.fs()}
		p, perr := snap.part(g.Rank())
		if perr == nil {
			if perr = p.check(vars); perr != nil {
				mine.Fatal = true
			}
		}
		mine.Error = text(perr)
		all, err := collectives.GatherValues(ctx, g, 0, mine)
		if err != nil {
			return fail(err)
		}
		var verdict answer
		for r, f := range all { // on rank 0 only
			if f.Error == "" {
				continue
			}
			verdict.None = true
			verdict.Error = fmt.Sprintf("rank %d on host %s: %s", r, f.Host, f.Error)
			if f.Fatal {
				verdict.Fatal = 3
				break
			}
		}
		if verdict, err = collectives.BcastValue(ctx, g, 0, verdict); err != nil {
			return fail(err)
		}
		switch {
		case verdict.Fatal != 0:
			return fail(errors.New(verdict.Error))
		case verdict.None: // damaged: the one before
			bad := fmt.Errorf("step %d: %s", a.Manifest.Step, verdict.Error)
			passed = append(passed, bad)
			continue
		}
		if g.Rank() == 0 {
			s.warn(errors.Join(passed...))
		}
		if err := p.fill(vars); err != nil {
			return fail(err)
		}
		return a.Manifest.Step, nil
	}
}

// choose is rank 0's choice of what to load next.
func (s Store) choose(g rt.Group, snapshots *[]*Snapshot, passed *[]error, seen []found) (a answer) {
	if len(*snapshots) == 0 {
		if len(*passed) > 0 {
			return answer{Fatal: 3, Error: "no whole checkpoint: " + strings.ReplaceAll(errors.Join(*passed...).Error(), "\n", "; ")}
		}
		for r, f := range seen {
			if f.Steps > 0 && seen[0].Steps == 0 {
				return answer{Fatal: 3, Error: fmt.Sprintf("rank 0 on host %s sees none, rank %d on host %s does: the directory must be one that all hosts share", seen[0].Host, r, f.Host)}
			}
		}
		return answer{Fatal: 1}
	}
	next := (*snapshots)[0]
	*snapshots = (*snapshots)[1:]
	if n := next.Parts(); n != g.Size() {
		return answer{Fatal: 2, Error: fmt.Sprintf("step %d by %d ranks, the group has %d", next.Step(), n, g.Size())}
	}
	return answer{Dir: next.dir, Manifest: next.manifest}
}

// complete lists the complete steps, the newest first, and what is wrong with
// those that claim to be.
func (s Store) complete(dirs []string) (all []*Snapshot, bad []error) {
	for _, dir := range dirs {
		b, err := s.fs().read(filepath.Join(dir, "complete"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		snap := &Snapshot{dir: dir, disk: s.fs()}
		if err == nil {
			var rest []byte
			if rest, err = unseal(completeWord, b, &snap.manifest); err == nil && len(rest) > 0 {
				err = fmt.Errorf("%w: %d bytes too many", ErrDamaged, len(rest))
			}
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", dir, err))
			continue
		}
		all = append(all, snap)
	}
	// Names begin with the step and a time.
	slices.SortStableFunc(all, func(a, b *Snapshot) int { return strings.Compare(filepath.Base(b.dir), filepath.Base(a.dir)) })
	return all, bad
}
