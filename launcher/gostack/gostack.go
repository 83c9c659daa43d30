// Package gostack reads what Go's runtime writes of a program's goroutines
// (runtime.Stack) and makes it short: numbers of goroutines, addresses,
// arguments and times are dropped, so that goroutines which do the same are the
// same, on whatever rank; frames of Go's library and of gridrun give way to the
// call that the program made; goroutines that are none of the program's are told
// apart. It is pure and takes any input.
package gostack

import (
	"path"
	"slices"
	"strings"
	"time"
)

// A Frame is one call: a function, and where it stands in it.
type Frame struct {
	Func string // with its whole import path: gridrun/rt.Recv[...]
	File string // base name
	Line string
}

// A Goroutine is one goroutine's state and calls, the innermost first.
type Goroutine struct {
	State   string // "chan receive", "syscall", "running", ...
	For     time.Duration
	Frames  []Frame
	Creator string // the function that started it, or ""
}

// Parse reads the stacks of all goroutines. What it cannot read it leaves out.
func Parse(text []byte) []Goroutine {
	var all []Goroutine
	var g *Goroutine
	creator := false // the next location is the creator's
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "goroutine "):
			state, ok := header(line)
			g, creator = nil, false
			if ok {
				all = append(all, state)
				g = &all[len(all)-1]
			}
		case g == nil || line == "":
		case strings.HasPrefix(line, "\t"):
			if n := len(g.Frames); n > 0 && !creator && g.Frames[n-1].File == "" {
				g.Frames[n-1].File, g.Frames[n-1].Line = location(line)
			}
		case strings.HasPrefix(line, "created by "):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "created by "), " in goroutine ")
			g.Creator, creator = name, true
		case strings.HasPrefix(line, "..."): // frames elided
		default:
			if i := strings.LastIndexByte(line, '('); i > 0 {
				g.Frames = append(g.Frames, Frame{Func: line[:i]})
			}
		}
	}
	return all
}

// header reads "goroutine 7 [chan receive, 5 minutes, locked to thread]:".
func header(line string) (g Goroutine, ok bool) {
	_, rest, ok := strings.Cut(line, "[")
	inside, _, closed := strings.Cut(rest, "]")
	if !ok || !closed {
		return g, false
	}
	parts := strings.Split(inside, ", ")
	g.State = parts[0]
	for _, p := range parts[1:] {
		if number, unit, ok := strings.Cut(p, " "); ok && strings.HasPrefix(unit, "minute") {
			if d, err := time.ParseDuration(number + "m"); err == nil && d > 0 {
				g.For = d
			}
		}
	}
	return g, true
}

// location reads "\t/path/main.go:10 +0x1d".
func location(line string) (file, number string) {
	where, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	i := strings.LastIndexByte(where, ':')
	if i < 0 {
		return path.Base(where), ""
	}
	return path.Base(where[:i]), where[i+1:]
}

// ours are the parts of gridrun that a program calls; its jobs and examples are
// programs themselves.
var ours = []string{"gridrun/internal", "gridrun/rt", "gridrun/collectives", "gridrun/lram"}

// library are the first words of the import paths of Go's library.
var library = strings.Fields(`archive bufio bytes cmp compress container context crypto database debug embed encoding
	errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect regexp
	runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`)

// Program says whether a function is the program's own.
func Program(function string) bool {
	pkg, _, _ := strings.Cut(function, "[") // type arguments have dots and slashes
	slash := strings.LastIndexByte(pkg, '/') + 1
	if dot := strings.IndexByte(pkg[slash:], '.'); dot >= 0 {
		pkg = pkg[:slash+dot]
	}
	for _, p := range ours {
		if pkg == p || strings.HasPrefix(pkg, p+"/") {
			return false
		}
	}
	first, _, _ := strings.Cut(pkg, "/")
	return !slices.Contains(library, first)
}

// Own says whether g is the program's: it is in its code, or was started by it,
// and does not just wait for rt.Main to end the program.
func (g Goroutine) Own() bool {
	if slices.ContainsFunc(g.Frames, func(f Frame) bool { return f.Func == "gridrun/rt.Main" }) {
		return false
	}
	return g.Creator != "" && Program(g.Creator) || slices.ContainsFunc(g.Frames, func(f Frame) bool { return Program(f.Func) })
}

// Short returns g's frames with every run of calls that are not the program's
// replaced by its outermost: the call that the program made. What called the
// program is left out.
func (g Goroutine) Short() []Frame {
	var out []Frame
	for i, f := range g.Frames {
		last := i+1 == len(g.Frames)
		switch {
		case Program(f.Func):
			out = append(out, f)
		case !last && Program(g.Frames[i+1].Func):
			out = append(out, Frame{Func: f.Func})
		case last && len(out) == 0:
			out = append(out, Frame{Func: f.Func}) // nothing of the program's at all
		}
	}
	return out
}

// Doing is g's state, without what depends on the moment: whoever is in a call of
// gridrun waits there, whichever way, and who could run runs.
func (g Goroutine) Doing() string {
	short := g.Short()
	switch {
	case len(short) > 1 && short[0].File == "" && slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(short[0].Func, p) }):
		return "waits"
	case g.State == "running" || g.State == "runnable":
		return "runs"
	}
	return g.State
}

// Where is the innermost frame of the program's own; of a goroutine that is not
// the program's there is none.
func (g Goroutine) Where() (f Frame, ok bool) {
	i := slices.IndexFunc(g.Frames, func(f Frame) bool { return Program(f.Func) })
	if i < 0 || !g.Own() {
		return f, false
	}
	return g.Frames[i], true
}

// Name is a function without the directories of its import path and without
// type arguments: rt.Recv.
func Name(function string) string {
	function = strings.ReplaceAll(function, "[...]", "")
	cut, rest, generic := strings.Cut(function, "[")
	cut = cut[strings.LastIndexByte(cut, '/')+1:]
	if generic {
		return cut + "[" + rest
	}
	return cut
}
