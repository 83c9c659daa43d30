package launcher

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gridrun/launcher/output"
	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

// A route is one way that a stream of a process takes: assembled into lines, to
// the screen, folded or not, or to a file.
type route struct {
	lines *output.Lines
	put   func(data []byte, written func())
	end   func() // after the last put; nil: nothing to do
}

// outlets are where output of a job goes.
type outlets struct {
	files *output.Files     // of --output-dir; nil: none
	dir   *os.File          // that, locked
	folds [2]*output.Folder // of standard output and error; nil: not folded
}

// openOutlets creates what --output-dir and --fold-output need.
func (r *run) openOutlets() (err error) {
	spec := &r.job.spec
	if spec.OutputDir != "" {
		if r.outlets.files, err = r.createFiles(); err != nil {
			return fmt.Errorf("--output-dir: %w", err)
		}
	}
	if !spec.FoldOutput {
		return nil
	}
	procs := make([]int, len(r.job.plan.Procs))
	for p := range procs {
		procs[p] = p
	}
	for i, w := range []*output.Writer{r.stdout, r.stderr} {
		r.outlets.folds[i] = output.NewFolder(procs, func(f output.Folded) []byte {
			return []byte(r.job.foldedLine(f, i == 1))
		}, w.Put)
	}
	return nil
}

// createFiles makes the directory and an empty file for each process and stream.
func (r *run) createFiles() (*output.Files, error) {
	base := r.job.spec.OutputDir
	dir := base
	if k := r.job.attempt; k > 0 { // what was printed before stays
		dir = filepath.Join(dir, fmt.Sprintf("restart.%d", k))
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := lockDir(base)
	if err != nil {
		return nil, err
	}
	var paths []string
	for p := range r.job.plan.Procs {
		name := filepath.Join(dir, "rank."+r.job.fileRanks(p))
		paths = append(paths, name+".out", name+".err")
	}
	files, err := output.CreateFiles(paths, func(err error) { r.outputFailed("cannot write: ", err) })
	if err != nil {
		lock.Close()
		return nil, err
	}
	r.outlets.dir = lock
	return files, nil
}

// lockDir has one job at a time write to a directory: two would overwrite each
// other's files. The lock goes with the descriptor, so with gridrun whatever ends it.
func lockDir(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	// Not every file system knows such locks.
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == syscall.EWOULDBLOCK {
		d.Close()
		return nil, fmt.Errorf("%s: another job that runs writes there; give each its own directory", dir)
	}
	return d, nil
}

// fileRanks names the ranks of a process with as many digits as the job's last
// rank has, so that files sort: 07, or 06-07.
func (j *Job) fileRanks(proc int) string {
	width := len(fmt.Sprint(j.plan.NP - 1))
	text := rankset.Fold(j.plan.Procs[proc].Ranks)
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexAny(text, ",-")
		if end < 0 {
			end = len(text)
		}
		fmt.Fprintf(&b, "%0*s", width, text[:end])
		if end < len(text) {
			b.WriteByte(text[end])
			end++
		}
		text = text[end:]
	}
	return b.String()
}

// routes are the ways of one stream of a process.
func (r *run) routes(proc int, stderr bool) (all []route) {
	spec := &r.job.spec
	number, screen := 0, r.stdout
	if stderr {
		number, screen = 1, r.stderr
	}
	tag := r.job.lineTag(proc, stderr)
	var clock func() time.Time
	if spec.TimestampOutput {
		clock = time.Now
	}
	plain := tag == "" && clock == nil
	if files := r.outlets.files; files != nil {
		all = append(all, route{
			lines: &output.Lines{Tag: tag, Clock: clock, Raw: plain},
			put:   func(data []byte, written func()) { files.Put(2*proc+number, data, written) },
		})
		if !spec.Tee {
			return all
		}
	}
	if fold := r.outlets.folds[number]; fold != nil {
		return append(all, route{
			lines: &output.Lines{},
			put:   func(data []byte, written func()) { fold.Put(proc, data, written) },
			end:   func() { fold.End(proc) },
		})
	}
	return append(all, route{
		lines: &output.Lines{Tag: tag, Clock: clock, Raw: plain && len(r.job.plan.Procs) == 1},
		put:   screen.Put,
	})
}

// feed takes a piece of a stream along all its routes; written is called once it
// is out everywhere. Bytes that stay in an unfinished line count as out: there is
// a bound on those.
func feed(routes []route, data []byte, written func()) {
	var left atomic.Int32
	left.Store(int32(len(routes)))
	done := func() {
		if left.Add(-1) == 0 {
			written()
		}
	}
	for _, way := range routes {
		if out := way.lines.Feed(data); len(out) > 0 {
			way.put(out, done)
		} else {
			done()
		}
	}
}

// end brings out what is left of a stream.
func end(routes []route) {
	for _, way := range routes {
		if rest := way.lines.End(); len(rest) > 0 {
			way.put(rest, func() {})
		}
		if way.end != nil {
			way.end()
		}
	}
}

// foldedLine is a folded line as it is shown: [0-3,7], and the hosts where these
// are all ranks of some hosts but not of all.
func (j *Job) foldedLine(f output.Folded, stderr bool) string {
	var ranks []int
	for _, p := range f.Procs {
		ranks = append(ranks, j.plan.Procs[p].Ranks...)
	}
	var b strings.Builder
	if j.spec.TimestampOutput {
		b.WriteString(f.Began.Format(output.Stamp))
	}
	b.WriteString("[" + rankset.Fold(ranks))
	if hosts := j.wholeHosts(f.Procs); hosts != "" {
		b.WriteString(" " + hosts)
	}
	b.WriteByte(']')
	if stderr && j.spec.TagOutput {
		b.WriteString("<stderr>")
	}
	return b.String() + " " + f.Text
}

// wholeHosts names the hosts that these processes, ascending, are all processes
// of; "" when a host has others as well, or when they are all of the job.
func (j *Job) wholeHosts(procs []int) string {
	if len(j.plan.Hosts) < 2 || len(procs) == len(j.plan.Procs) {
		return ""
	}
	var hosts []int
	for _, p := range procs {
		hosts = append(hosts, j.plan.Procs[p].Host)
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	there := 0
	for _, p := range j.plan.Procs {
		if _, is := slices.BinarySearch(hosts, p.Host); is {
			there++
		}
	}
	if there != len(procs) {
		return ""
	}
	var names []string
	for _, h := range hosts {
		names = append(names, j.plan.Hosts[h].Name)
	}
	return place.FoldHosts(names)
}
