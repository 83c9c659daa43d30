package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/gostack"
	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

// Bounds of the text: a job of 93 ranks that are all different still fits a few
// screens. [Text] says what it leaves out.
const (
	maxFindings = 6
	maxLines    = 24 // of the table
	maxStacks   = 12 // kinds of stacks
	maxFrames   = 12 // of one
)

// Text is all of it: the verdict in the first line, what else was found, the
// table of what every rank does, and the stacks, both folded. With all set
// nothing is left out.
func Text(j Job, all bool) string {
	a := analyse(j)
	found := a.findings()
	var b strings.Builder
	limit := func(n, most int) int {
		if all {
			return n
		}
		return min(n, most)
	}
	for i, f := range found[:limit(len(found), maxFindings)] {
		if i == 0 {
			fmt.Fprintf(&b, "%s\n", f.Text)
			continue
		}
		fmt.Fprintf(&b, "also: %s\n", f.Text)
	}
	if more := len(found) - maxFindings; more > 0 && !all {
		fmt.Fprintf(&b, "also: %d more of this kind\n", more)
	}
	lines := a.table()
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, l := range lines[:limit(len(lines), maxLines)] {
		host := ""
		if len(j.Hosts) > 1 {
			host = a.hosts(l.ranks) + "\t"
		}
		fmt.Fprintf(t, "  %s\t%s%s\n", rankset.Label(l.ranks), host, a.lineText(l))
	}
	t.Flush()
	if rest := lines[limit(len(lines), maxLines):]; len(rest) > 0 {
		var ranks []int
		for _, l := range rest {
			ranks = append(ranks, l.ranks...)
		}
		fmt.Fprintf(&b, "  and %s, in %d other ways\n", rankset.Label(ranks), len(rest))
	}
	a.stacks(&b, found[0].Ranks, all)
	return b.String()
}

// hosts folds the names of the hosts of ranks.
func (a *analysis) hosts(ranks []int) string {
	var names []string
	for _, r := range ranks {
		if h := a.procs[r].Host; h >= 0 && h < len(a.job.Hosts) && !slices.Contains(names, a.job.Hosts[h]) {
			names = append(names, a.job.Hosts[h])
		}
	}
	return place.FoldHosts(names)
}

// A line of the table is what some ranks have in common.
type line struct {
	what, at string
	ranks    []int
	waits    []wire.Wait // what they are blocked in, or empty
}

// table folds ranks that do the same.
func (a *analysis) table() []*line {
	var lines []*line
	add := func(what, at string, r int, w *wire.Wait) {
		i := slices.IndexFunc(lines, func(l *line) bool { return l.what == what && l.at == at })
		if i < 0 {
			i = len(lines)
			lines = append(lines, &line{what: what, at: at})
		}
		l := lines[i]
		if n := len(l.ranks); n == 0 || l.ranks[n-1] != r {
			l.ranks = append(l.ranks, r)
		}
		if w != nil {
			l.waits = append(l.waits, *w)
		}
	}
	for r := range a.procs {
		if a.procs[r] == nil {
			continue
		}
		for i := range a.waits[r] {
			w := &a.waits[r][i]
			add(a.waitText(*w, true), "", r, w)
		}
		if len(a.waits[r]) == 0 {
			what, at := a.doing(r)
			add(what, at, r, nil)
		}
	}
	slices.SortStableFunc(lines, func(x, y *line) int { return x.ranks[0] - y.ranks[0] })
	return lines
}

func (a *analysis) lineText(l *line) string {
	if len(l.waits) == 0 {
		return plural(a.state(l.ranks), len(l.ranks))
	}
	since := int64(0)
	for _, w := range l.waits {
		since = max(since, w.Since)
	}
	what := l.what
	if len(l.ranks) == 1 {
		what = a.waitText(l.waits[0], false)
	}
	text := what + ", for " + duration(time.Duration(since))
	if w := l.waits[0]; w.Seq > 0 {
		if missing := a.calls[callKey{w.Group, w.Seq}].missing(a); len(missing) > 0 {
			text += "; " + rankset.Label(missing) + " missing"
		}
	}
	return text
}

// duration is short: 0.4s, 12s, 3m20s, 5h3m.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// A kind is a stack that goroutines of some ranks have in common.
type kind struct {
	key    string
	g      gostack.Goroutine
	ranks  []int
	number int // goroutines
}

// stacks writes the stacks, alike ones once, those of the culprits first. Of the
// goroutines that are not the program's it gives the number.
func (a *analysis) stacks(b *strings.Builder, culprits []int, all bool) {
	var kinds []*kind
	byKey := map[string]*kind{}
	var hidden, told, asked []int // ranks
	hiddenN := 0
	mute := map[string][]int{}
	for i := range a.job.Procs {
		p := &a.job.Procs[i]
		if p.Phase != Running || p.State == nil {
			continue
		}
		asked = append(asked, p.Ranks...)
		gs := gostack.Parse(p.Stacks)
		if len(gs) == 0 {
			if p.State.Mute != "" {
				mute[p.State.Mute] = append(mute[p.State.Mute], p.Ranks...)
			}
			continue
		}
		told = append(told, p.Ranks...)
		for _, g := range gs {
			if !g.Own() && !all {
				hiddenN++
				hidden = append(hidden, p.Ranks...)
				continue
			}
			key := frames(g, all)
			k := byKey[key]
			if k == nil {
				k = &kind{key: key, g: g}
				byKey[key] = k
				kinds = append(kinds, k)
			}
			k.number++
			k.g.For = max(k.g.For, g.For)
			for _, r := range p.Ranks {
				if !slices.Contains(k.ranks, r) {
					k.ranks = append(k.ranks, r)
				}
			}
		}
	}
	if len(asked) == 0 {
		return
	}
	if len(told) > 0 {
		fmt.Fprintf(b, "Go stacks of %s:\n", rankset.Label(told))
	}
	guilty := func(k *kind) bool {
		return slices.ContainsFunc(k.ranks, func(r int) bool { return slices.Contains(culprits, r) })
	}
	slices.SortStableFunc(kinds, func(x, y *kind) int {
		switch gx, gy := guilty(x), guilty(y); {
		case gx != gy && gx:
			return -1
		case gx != gy:
			return 1
		}
		return len(y.ranks) - len(x.ranks)
	})
	for i, k := range kinds {
		if i == maxStacks && !all {
			var ranks []int
			for _, k := range kinds[i:] {
				ranks = append(ranks, k.ranks...)
			}
			fmt.Fprintf(b, "  and %d other stacks, of %s\n", len(kinds)-i, rankset.Label(ranks))
			break
		}
		text := k.g.Doing()
		if k.g.For > 0 {
			text += " for " + strings.TrimSuffix(k.g.For.String(), "0s")
		}
		many := ""
		if k.number > len(k.ranks) {
			many = fmt.Sprintf(", %d goroutines", k.number)
		}
		fmt.Fprintf(b, "  %s%s [%s]\n%s", rankset.Label(k.ranks), many, text, k.key[strings.IndexByte(k.key, '\n')+1:])
	}
	if hiddenN > 0 {
		slices.Sort(hidden)
		fmt.Fprintf(b, "  not shown: %d goroutines of gridrun and Go's runtime on %s\n", hiddenN, rankset.Label(slices.Compact(hidden)))
	}
	for _, why := range slices.Sorted(func(yield func(string) bool) {
		for why := range mute {
			if !yield(why) {
				return
			}
		}
	}) {
		fmt.Fprintf(b, "  no stacks of %s: %s\n", rankset.Label(mute[why]), why)
	}
}

// frames is what must be the same for stacks to be folded: the state and the
// calls, a line each.
func frames(g gostack.Goroutine, all bool) string {
	var b strings.Builder
	b.WriteString(g.Doing() + "\n")
	list := g.Short()
	if all {
		list = g.Frames
	}
	for i, f := range list {
		if i == maxFrames && !all {
			fmt.Fprintf(&b, "      ... %d more\n", len(list)-i)
			break
		}
		name := gostack.Name(f.Func)
		if f.File == "" {
			fmt.Fprintf(&b, "      %s\n", name)
			continue
		}
		fmt.Fprintf(&b, "      %-32s %s:%s\n", name, f.File, f.Line)
	}
	return b.String()
}
