package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"gridrun/rt"
)

var errFault = errors.New("injected")

// A faulty disk fails at its n-th change, or, crashing, at that one and all
// after it, as when the machine stops; a write that fails has got half of its
// bytes there.
type faulty struct {
	realDisk
	mu    *sync.Mutex
	left  *int
	crash bool
}

func (f faulty) fault() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.left--
	return *f.left == 0 || f.crash && *f.left < 0
}

func (f faulty) mkdir(dir string) error {
	if f.fault() {
		return errFault
	}
	return f.realDisk.mkdir(dir)
}

func (f faulty) write(path string, data []byte) error {
	if f.fault() {
		return errors.Join(errFault, f.realDisk.write(path, data[:len(data)/2]))
	}
	return f.realDisk.write(path, data)
}

func (f faulty) rename(from, to string) error {
	if f.fault() {
		return errFault
	}
	return f.realDisk.rename(from, to)
}

func (f faulty) syncDir(dir string) error {
	if f.fault() {
		return errFault
	}
	return f.realDisk.syncDir(dir)
}

func (f faulty) remove(dir string) error {
	if f.fault() {
		return errFault
	}
	return f.realDisk.remove(dir)
}

// TestFaults fails every single change that a Save makes to the disk: all ranks
// hear the same, and what is loaded afterwards is the new step, whole, if they
// heard that it was saved, else the new one or the one before.
func TestFaults(t *testing.T) {
	const n = 3
	for _, crash := range []bool{false, true} {
		for at := 1; ; at++ {
			if at > 100 {
				t.Fatal("a Save that makes more than 100 changes")
			}
			dir := t.TempDir()
			good := Store{Dir: dir}
			save(t, good, n, 1)
			save(t, good, n, 2)
			left := at
			bad := Store{Dir: dir, disk: faulty{mu: new(sync.Mutex), left: &left, crash: crash}}
			errs := make([]error, n)
			each(t, n, func(ctx context.Context, w *rt.World) error {
				errs[w.Rank()] = bad.Save(ctx, w, 3, stateOf(w.Rank(), 3).vars()...)
				return nil
			})
			for r := range n {
				if (errs[r] == nil) != (errs[0] == nil) {
					t.Fatalf("fault %d: rank 0 heard %v, rank %d %v", at, errs[0], r, errs[r])
				}
			}
			step, err := load(t, good, n)
			if err != nil || step != 3 && (step != 2 || errs[0] == nil) {
				t.Fatalf("fault %d, crash %v: Save said %v, Load %d, %v", at, crash, errs[0], step, err)
			}
			// And it goes on.
			save(t, good, n, 4)
			if step, err := load(t, good, n); err != nil || step != 4 {
				t.Fatalf("fault %d: afterwards %d, %v", at, step, err)
			}
			if left > 0 { // all changes were made
				break
			}
		}
	}
}

// Groups that save to one directory at once do not harm each other.
func TestConcurrentSaves(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	each(t, 6, func(ctx context.Context, w *rt.World) error {
		g, err := rt.Split(ctx, w, w.Rank()%2, 0)
		if err != nil {
			return err
		}
		for step := range int64(6) {
			if err := s.Save(ctx, g, step, stateOf(g.Rank(), step).vars()...); err != nil {
				return fmt.Errorf("group %d, step %d: %w", w.Rank()%2, step, err)
			}
		}
		return nil
	})
	if step, err := load(t, s, 3); err != nil || step != 5 {
		t.Fatalf("%d, %v", step, err)
	}
}

// A rank that dies while all save costs at most that step.
func TestDeathWhileSaving(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	save(t, s, 4, 1)
	err := rt.RunWith(context.Background(), 4, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 2 {
			return errFault
		}
		if err := s.Save(ctx, w, 2, stateOf(w.Rank(), 2).vars()...); !errors.Is(err, rt.ErrPeerLost) && !errors.Is(err, rt.ErrRevoked) {
			return fmt.Errorf("rank %d: %w", w.Rank(), err)
		}
		return nil
	}, rt.KeepSurvivors())
	if err == nil || err.Error() != "rank 2 failed: injected" {
		t.Fatal(err)
	}
	if step, err := load(t, s, 4); err != nil || step != 1 {
		t.Fatalf("%d, %v", step, err)
	}
}

func FuzzPart(f *testing.F) {
	b, _, err := encodePart(partHeader{Step: 3, Rank: 1, Ranks: 2}, stateOf(1, 3).vars())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(partWord))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fix := range []bool{false, true} {
			if fix && len(b) > 16 { // past the checksum, into the header
				b, _, _ = seal(partWord, partHeader{Vars: []varHeader{{"x", "float64", int64(b[9])<<8 | int64(b[10])}}}, b[11:])
			}
			p, err := decodePart(b)
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatal(err)
				}
				continue
			}
			total := 0
			for _, v := range p.Vars {
				total += len(p.data[v.Name])
			}
			if total > len(b) {
				t.Fatalf("%d bytes of values in a file of %d", total, len(b))
			}
			var m manifest
			unseal(completeWord, bytes.Replace(b, []byte(partWord), []byte(completeWord), 1), &m)
		}
	})
}
