package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"gridrun/internal/wire"
	"gridrun/launcher/gostack"
)

// A spot is where the goroutines of a process are in its program, by what
// they do; "" where there is none.
type spot struct {
	computes string // runs, or could
	inCall   string // is in a system call
	waits    string // waits for something inside the process
}

// whereabouts reads spots from a process's stacks.
func whereabouts(stacks []byte) (p spot) {
	put := func(to *string, g gostack.Goroutine) {
		if f, ok := g.Where(); ok && *to == "" {
			*to = fmt.Sprintf("%s (%s:%s)", gostack.Name(f.Func), f.File, f.Line)
		}
	}
	for _, g := range gostack.Parse(stacks) {
		switch {
		case g.State == "running" || g.State == "runnable":
			put(&p.computes, g)
		case g.State == "syscall":
			put(&p.inCall, g)
		default:
			put(&p.waits, g)
		}
	}
	return p
}

// messaging says whether an operation waits for messages of ranks; others wait
// for a service.
func messaging(op string) bool {
	return op == "Wait" || op == "Probe" || strings.Contains(op, "Send") || strings.Contains(op, "Recv")
}

// waitText says what w is blocked in, with the peer relative to the rank if that
// may fold more: in a ring everybody waits for the rank before it. The peer of a
// collective depends on its algorithm and is left out.
func (a *analysis) waitText(w wire.Wait, relative bool) string {
	if w.Seq > 0 {
		text := a.name(w)
		if w.Root >= 0 && w.Members > 0 {
			text += fmt.Sprintf(", root %d", w.Root)
		}
		return text
	}
	var b strings.Builder
	b.WriteString(w.Op)
	word := "with"
	switch {
	case strings.HasPrefix(w.Op, "SendRecv"):
	case strings.Contains(w.Op, "Recv") || w.Op == "Probe":
		word = "from"
	case strings.Contains(w.Op, "Send"):
		word = "to"
	}
	size := len(a.procs)
	switch {
	case w.Peer < 0 && word == "from":
		b.WriteString(" from any rank")
	case w.Peer < 0:
	case w.Peer == w.Rank:
		fmt.Fprintf(&b, " %s itself", word)
	case relative && size > 2 && w.Peer == (w.Rank+1)%size:
		fmt.Fprintf(&b, " %s the next rank", word)
	case relative && size > 2 && w.Peer == (w.Rank+size-1)%size:
		fmt.Fprintf(&b, " %s the rank before", word)
	default:
		fmt.Fprintf(&b, " %s rank %d", word, w.Peer)
	}
	if w.Tag >= 0 {
		fmt.Fprintf(&b, ", tag %d", w.Tag)
	} else if word == "from" {
		b.WriteString(", any tag")
	}
	if w.Group != 0 {
		b.WriteString(", in " + a.group(w.Group, w.Members))
	}
	return b.String()
}

// brief is a wait in a sentence that names the ranks itself.
func (a *analysis) brief(w wire.Wait) string {
	if w.Seq > 0 {
		return a.name(w)
	}
	text := w.Op
	if w.Peer < 0 && messaging(w.Op) && w.Op != "Wait" {
		text += " from any rank"
	}
	if w.Tag >= 0 {
		text += fmt.Sprintf(", tag %d", w.Tag)
	}
	return text
}

// doing says what a rank without a lasting wait does; at is where in its program.
func (a *analysis) doing(r int) (what, at string) {
	p, spot := a.procs[r], a.spots[r]
	switch {
	case p.Phase == Ended && p.How == "":
		return "has ended", ""
	case p.Phase == Ended:
		return "has ended: " + p.How, ""
	case p.Phase == NotStarted:
		return "has not started yet", ""
	case p.State == nil:
		return "runs; no word from its host", ""
	}
	s := p.State
	in := ""
	if s.Call != "" {
		in = "in " + s.Call
		if s.File != "" {
			in += " of " + s.File
		}
	}
	switch {
	case s.State == "T":
		return "is stopped by a signal (kill -CONT lets it go on)", ""
	case s.State == "t":
		return "is held by a debugger", ""
	case s.State == "D" && in != "":
		return "is " + in + ", for a device or file system (state D)", spot.inCall
	case s.State == "D":
		return "waits for a device or file system (state D)", spot.inCall
	case s.State == "R" && s.File != "":
		return "computes, and is " + in, spot.inCall
	case a.moving[r]:
		return "is moving: no wait lasts", ""
	case s.State == "R":
		return "computes", spot.computes
	case s.File != "":
		return "is " + in, spot.inCall
	case in != "":
		return "sleeps " + in, spot.inCall
	}
	return "sleeps outside of gridrun's operations", spot.waits
}

// load tells a spinning rank from one that has next to nothing of a CPU.
func (a *analysis) load(ranks []int) string {
	low, high := 1<<30, -1
	for _, r := range ranks {
		if p := a.procs[r]; p.State != nil && p.Phase == Running && p.State.State == "R" {
			low, high = min(low, p.State.Load), max(high, p.State.Load)
		}
	}
	switch {
	case high < 0:
		return ""
	case low == high:
		return fmt.Sprintf("%d %% of a CPU", high)
	}
	return fmt.Sprintf("%d-%d %% of a CPU", low, high)
}

// state is doing, with the load and the place: for a sentence about ranks that
// all do the same.
func (a *analysis) state(ranks []int) string {
	what, at := a.doing(ranks[0])
	if load := a.load(ranks); load != "" && strings.HasPrefix(what, "computes") {
		what += ", " + load
	}
	if slices.ContainsFunc(ranks, func(r int) bool { _, other := a.doing(r); return other != at }) {
		at = ""
	}
	if at != "" {
		what += ", at " + at
	}
	return what
}
