package output

import (
	"slices"
	"time"
)

// A Fold shows a line that many processes print once, with all who printed it.
// It is pure: no clock, no lock, no goroutine ([Folder] has those).
//
// Lines wait in the order in which they were first seen:
//
//	position:   7            8            9
//	line:       "step 1"     "rank 2!"    "step 2"
//	printed by  0,1,2        2            1,2         0 may still join 9, nobody 7
//
// A process joins the first waiting line that equals its own and stands after
// the last one it joined; else its line waits at the end. So the order of each
// process's lines is kept. The first waiting line goes out when nobody can join
// it any more, that is when every process that has not ended has joined it or a
// later one; when it has waited for the window; or when more than maxWaiting
// bytes wait. Only the first may go, and then the next.
type Fold struct {
	window  time.Duration
	limit   int           // maxWaiting; tests have a smaller one
	last    map[int]int64 // of each process that has not ended: position of its last line
	waiting []*group
	first   int64              // position of waiting[0]
	at      map[string][]int64 // positions of each waiting text, ascending
	size    int                // bytes that wait
	behind  int                // processes that may still join waiting[0]
}

// A group is a line with those who printed it.
type group struct {
	text  string
	procs []int
	began time.Time
}

// maxWaiting bounds the lines that wait, in bytes. It is what the fastest process
// may be ahead of the slowest for their lines to meet.
const maxWaiting = 16 << 20

// lineCost is what a waiting line counts besides its bytes.
const lineCost = 200

// A Folded is a line that is ready, its newline included.
type Folded struct {
	Text  string
	Procs []int     // ascending
	Began time.Time // when the first of them printed it
}

// NewFold folds the output of procs.
func NewFold(procs []int, window time.Duration) *Fold {
	f := &Fold{window: window, limit: maxWaiting, last: map[int]int64{}, at: map[string][]int64{}}
	for _, p := range procs {
		f.last[p] = -1
	}
	return f
}

// Add takes a line of proc, which has not ended, and returns what is ready;
// joined says that the line is one that had been waiting already.
func (f *Fold) Add(proc int, line string, now time.Time) (ready []Folded, joined bool) {
	before := f.last[proc]
	pos, joined := f.join(line, before)
	if joined {
		g := f.waiting[pos-f.first]
		g.procs = append(g.procs, proc)
		f.advance(proc, before, pos)
		return f.ready(now), true
	}
	pos = f.first + int64(len(f.waiting))
	f.waiting = append(f.waiting, &group{line, []int{proc}, now})
	f.at[line] = append(f.at[line], pos)
	f.size += len(line) + lineCost
	if len(f.waiting) == 1 {
		f.count()
	}
	f.advance(proc, before, pos)
	return f.ready(now), false
}

// join finds the first waiting line of this text after position before.
func (f *Fold) join(line string, before int64) (pos int64, ok bool) {
	all := f.at[line]
	i, _ := slices.BinarySearch(all, before+1)
	if i == len(all) {
		return 0, false
	}
	return all[i], true
}

// advance notes that the last line of proc, which was at before, is at pos.
func (f *Fold) advance(proc int, before, pos int64) {
	f.last[proc] = pos
	if before < f.first && pos >= f.first {
		f.behind--
	}
}

// End says that proc prints no more.
func (f *Fold) End(proc int, now time.Time) []Folded {
	last, open := f.last[proc]
	if !open {
		return nil
	}
	delete(f.last, proc)
	if last < f.first {
		f.behind--
	}
	return f.ready(now)
}

// Tick returns what has waited long enough; Due is when it should be called.
func (f *Fold) Tick(now time.Time) []Folded { return f.ready(now) }

// Due is when the first waiting line has waited long enough; false: none waits.
func (f *Fold) Due() (time.Time, bool) {
	if len(f.waiting) == 0 {
		return time.Time{}, false
	}
	return f.waiting[0].began.Add(f.window), true
}

// Flush returns all that waits.
func (f *Fold) Flush() []Folded { return f.take(len(f.waiting)) }

// ready takes lines from the front as long as they may go.
func (f *Fold) ready(now time.Time) (out []Folded) {
	for len(f.waiting) > 0 {
		n := 0
		switch {
		case f.behind == 0:
			n = f.closed()
		case f.size > f.limit, now.Sub(f.waiting[0].began) >= f.window:
			n = 1
		default:
			return out
		}
		out = append(out, f.take(n)...)
	}
	return out
}

// closed counts the lines at the front that nobody can join; at least 1.
func (f *Fold) closed() int {
	end := f.first + int64(len(f.waiting))
	for _, last := range f.last {
		end = min(end, last+1)
	}
	return int(end - f.first)
}

func (f *Fold) take(n int) []Folded {
	out := make([]Folded, 0, n)
	for _, g := range f.waiting[:n] {
		slices.Sort(g.procs)
		out = append(out, Folded{g.text, g.procs, g.began})
		f.size -= len(g.text) + lineCost
		if f.at[g.text] = f.at[g.text][1:]; len(f.at[g.text]) == 0 {
			delete(f.at, g.text)
		}
	}
	clear(f.waiting[:n])
	f.waiting = f.waiting[n:]
	f.first += int64(n)
	f.count()
	return out
}

// count counts who may still join the first waiting line.
func (f *Fold) count() {
	f.behind = 0
	for _, last := range f.last {
		if last < f.first {
			f.behind++
		}
	}
}
