package tally

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridrun/internal/trace"
	"gridrun/launcher/rankset"
)

// Text is the table.
func (t *Tally) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if t.Ranks > 0 {
		line("%-18s %20s %20s %20s", "messages", trace.SameProcess, trace.SameHost, trace.OtherHost)
		for _, row := range []struct {
			name       string
			collective bool
		}{{"the program's", false}, {"of collectives", true}} {
			var cells []any
			for _, n := range t.Messages(row.collective) {
				cells = append(cells, fmt.Sprintf("%d %9s", n.Messages, size(n.Bytes)))
			}
			line("  %-16s %20s %20s %20s", append([]any{row.name}, cells...)...)
		}
	}
	if len(t.Operations) > 0 {
		line("%-18s %9s %9s %9s %9s %9s %9s %s", "operations", "calls", "buffers", "messages", "bytes", "waits", "blocked", " most blocked")
		sorted := slices.Clone(t.Operations)
		slices.SortStableFunc(sorted, func(a, b Operation) int {
			return cmp.Or(cmp.Compare(b.Blocked, a.Blocked), cmp.Compare(a.Name, b.Name))
		})
		for _, o := range sorted {
			var n trace.Count
			for _, c := range o.Sent {
				n.Messages += c.Messages
				n.Bytes += c.Bytes
			}
			calls, buffers := dash, dash
			if o.Collective {
				calls = fmt.Sprint(o.Calls)
				if o.Bytes > 0 {
					buffers = size(o.Bytes)
				}
			}
			most := ""
			if o.Blocked > 0 {
				most = fmt.Sprintf(" %9s rank %d", duration(int64(o.MostBlocked)), o.MostRank)
			}
			line("  %-16s %9s %9s %9s %9s %9s %9s%s", o.Name, calls, buffers, orDash(n.Messages, fmt.Sprint(n.Messages)), orDash(n.Messages, size(n.Bytes)),
				orDash(o.Waits, fmt.Sprint(o.Waits)), orDash(o.Waits, duration(int64(o.Blocked))), most)
		}
	}
	for i, w := range t.Longest {
		if i == 0 {
			line("longest waits")
		}
		line("  %9s  %s", duration(w.Nanos), w.text())
	}
	if r := t.Reads; r.Reads > 0 {
		line("array reads: %d of %s; blocks: %d there, %d on another host, %d on their way, %d from storage; %s came from other hosts",
			r.Reads, size(r.Asked), r.Hits, r.Remote, r.Waited, r.Missed, size(r.Moved))
	}
	if t.Processes > 0 {
		line("processes: %d; CPU time %s, the most %s (%s); peak memory %s, the most %s (%s)", t.Processes,
			duration(t.CPU), duration(t.MostCPU), rankset.Label(t.MostCPUOf), size(uint64(t.RSS)), size(uint64(t.MostRSS)), rankset.Label(t.MostRSSOf))
	}
	if len(t.Silent) > 0 {
		line("nothing counted by %s: not a program that uses gridrun's rt", rankset.Label(t.Silent))
	}
	return b.String()
}

const dash = "-"

func orDash(n uint64, s string) string {
	if n == 0 {
		return dash
	}
	return s
}

func (w Wait) text() string {
	s := fmt.Sprintf("rank %d in %s", w.Rank, w.Operation)
	if w.Peer >= 0 {
		s += fmt.Sprintf(" for rank %d", w.Peer)
	}
	if w.Tag >= 0 {
		s += fmt.Sprintf(", tag %d", w.Tag)
	}
	if w.Unfinished {
		s += ", which never returned"
	}
	return s
}

// size is in decimal units, with three digits that mean something.
func size(n uint64) string {
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	x := float64(n)
	for _, u := range units {
		if x /= 1000; x < 999.5 || u == "EB" {
			return fmt.Sprintf("%.3g %s", x, u)
		}
	}
	return ""
}

func duration(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.3g us", float64(d)/1e3)
}

// JSON is everything, for programs.
func (t *Tally) JSON() ([]byte, error) { return json.MarshalIndent(t, "", "  ") }
