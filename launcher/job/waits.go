package job

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/rankset"
)

// waitTable shows what every rank is doing, ranks with the same wait in one line:
//
//	ranks 0-2,4  Barrier #17, group 1, for 4.2s; rank 5 missing
//	rank 3       Recv from rank 5, tag 7, for 4.1s
//	rank 5       computing, or in calls that gridrun does not see
//	rank 6       ended
//
// and below it the ranks that wait for each other in a circle.
func (m *Machine) waitTable() string {
	type line struct {
		what  string
		ranks []int
		since time.Duration // of the one that waits longest
		peers []int         // whom a collective waits for right now
	}
	var lines []*line
	add := func(what string, rank int, since time.Duration) *line {
		i := slices.IndexFunc(lines, func(l *line) bool { return l.what == what })
		if i < 0 {
			i = len(lines)
			lines = append(lines, &line{what: what})
		}
		lines[i].ranks = append(lines[i].ranks, rank)
		lines[i].since = max(lines[i].since, since)
		return lines[i]
	}
	blocked := map[int]bool{}
	slices.SortStableFunc(m.waits, func(a, b wire.Wait) int { return a.Rank - b.Rank })
	for _, w := range m.waits {
		if _, ok := m.holder[w.Rank]; ok {
			blocked[w.Rank] = true
			l := add(waitText(w, len(m.holder)), w.Rank, time.Duration(w.Since))
			if w.Seq > 0 && w.Peer >= 0 {
				l.peers = append(l.peers, w.Peer)
			}
		}
	}
	for rank := range len(m.holder) {
		switch p := m.procs[m.holder[rank]]; {
		case blocked[rank]:
		case p.ended:
			add("ended", rank, 0)
		case p.pid == 0:
			add("not started yet", rank, 0)
		default:
			add("computing, or in calls that gridrun does not see", rank, 0)
		}
	}
	slices.SortStableFunc(lines, func(a, b *line) int { return a.ranks[0] - b.ranks[0] })

	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, l := range lines {
		since := ""
		if l.since > 0 {
			since = ", for " + l.since.Round(100*time.Millisecond).String()
		}
		missing := ""
		if peers := slices.DeleteFunc(l.peers, func(p int) bool { return slices.Contains(l.ranks, p) }); len(peers) > 0 {
			missing = "; " + rankset.Label(peers) + " missing"
		}
		fmt.Fprintf(t, "  %s\t%s%s%s\n", rankset.Label(l.ranks), l.what, since, missing)
	}
	t.Flush()
	for _, c := range cycles(m.waits) {
		fmt.Fprintf(&b, "  %s wait for each other\n", rankset.Label(c))
	}
	return b.String()
}

// waitText says what w is blocked in. Peers are given relative to the rank
// where that folds more: in a ring everybody waits for the rank before it. The
// peer of a collective depends on its algorithm and is left out.
func waitText(w wire.Wait, size int) string {
	var b strings.Builder
	b.WriteString(w.Op)
	if w.Seq > 0 {
		fmt.Fprintf(&b, " #%d", w.Seq)
	}
	if w.Peer >= 0 && w.Seq == 0 {
		word := "with"
		switch {
		case strings.Contains(w.Op, "Recv") || strings.Contains(w.Op, "Probe"):
			word = "from"
		case strings.Contains(w.Op, "Send"):
			word = "to"
		}
		switch w.Peer {
		case w.Rank:
			fmt.Fprintf(&b, " %s itself", word)
		case (w.Rank + 1) % size:
			fmt.Fprintf(&b, " %s the next rank", word)
		case (w.Rank + size - 1) % size:
			fmt.Fprintf(&b, " %s the rank before", word)
		default:
			fmt.Fprintf(&b, " %s rank %d", word, w.Peer)
		}
	}
	if w.Seq == 0 && w.Tag >= 0 {
		fmt.Fprintf(&b, ", tag %d", w.Tag)
	}
	if w.Group != 0 {
		fmt.Fprintf(&b, ", group %x", w.Group)
	}
	return b.String()
}

// cycles finds ranks that wait for each other in a circle. Only a rank with a
// single blocked operation that names its peer counts: with more goroutines
// another one may still move.
func cycles(waits []wire.Wait) [][]int {
	next := map[int]int{}
	several := map[int]bool{}
	for _, w := range waits {
		if _, again := next[w.Rank]; again || w.Peer < 0 {
			several[w.Rank] = true
		}
		next[w.Rank] = w.Peer
	}
	for r := range several {
		delete(next, r)
	}
	var found [][]int
	state := map[int]int{} // the walk that visited a rank
	walk := 0
	ranks := make([]int, 0, len(next))
	for r := range next {
		ranks = append(ranks, r)
	}
	slices.Sort(ranks)
	for _, start := range ranks {
		walk++
		r, ok := start, true
		for ok && state[r] == 0 {
			state[r] = walk
			r, ok = next[r]
		}
		if !ok || state[r] != walk {
			continue
		}
		if _, waits := next[r]; !waits {
			continue
		}
		cycle := []int{r}
		for at := next[r]; at != r; at = next[at] {
			cycle = append(cycle, at)
		}
		if len(cycle) > 1 {
			slices.Sort(cycle)
			found = append(found, cycle)
		}
	}
	return found
}
