package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"gridrun/launcher/rankset"
)

// Findings are what explains that the job does not go on, the most telling
// first. There is always one.
func Findings(j Job) []Finding { return analyse(j).findings() }

func (a *analysis) findings() []Finding {
	var found []Finding
	found = append(found, a.disagreements()...)
	found = append(found, a.misdirected()...)
	found = append(found, a.circles()...)
	found = append(found, a.awaited()...)
	if len(found) == 0 {
		found = append(found, a.idle())
	}
	return found
}

// misdirected finds waits for a message where one that differs only in its tag,
// or its sender, has arrived and lies there, and the awaited will not send: it is
// stuck itself, has ended, or does nothing.
func (a *analysis) misdirected() (found []Finding) {
	for r := range a.waits {
		for _, w := range a.waits[r] {
			if w.Seq > 0 || w.Peer < 0 || !strings.Contains(w.Op, "Recv") && w.Op != "Probe" || a.active(w.Peer) {
				continue
			}
			for _, u := range a.procs[r].Unmatched {
				if u.Rank != r || u.Group != w.Group || u.Op != "" {
					continue
				}
				switch {
				case u.Src == w.Peer && u.Tag != w.Tag:
					found = append(found, Finding{
						Text: fmt.Sprintf("rank %d waits for a message with tag %d of rank %d, whose message with tag %d (%d bytes) nobody receives",
							r, w.Tag, w.Peer, u.Tag, u.Bytes),
						Ranks: []int{r, w.Peer},
					})
				case u.Src != w.Peer && u.Tag == w.Tag:
					found = append(found, Finding{
						Text: fmt.Sprintf("rank %d waits for a message with tag %d of rank %d; the one that has come (%d bytes) is of rank %d",
							r, w.Tag, w.Peer, u.Bytes, u.Src),
						Ranks: []int{r, u.Src},
					})
				default:
					continue
				}
				break // one of them says it
			}
		}
	}
	return found
}

// active says that a rank may still do what others wait for.
func (a *analysis) active(r int) bool {
	if a.gone(r) || a.stuck[r] {
		return false
	}
	p := a.procs[r]
	return p.Phase == NotStarted || p.State == nil || len(a.waits[r]) > 0 || a.moving[r] || p.State.State == "R" || p.State.Call != ""
}

// circles finds ranks that wait for each other. Ranks of one and the same call
// wait for each other as a matter of course, and do not count.
func (a *analysis) circles() (found []Finding) {
	for _, part := range circles(a.needs, a.stuck) {
		if a.sameCall(part) {
			continue
		}
		f := Finding{Ranks: part}
		switch {
		case len(part) == 1:
			f.Text = fmt.Sprintf("rank %d waits for itself: %s", part[0], a.briefs(part))
		case a.wild(part):
			f.Text = fmt.Sprintf("%s wait for each other: %s", rankset.Label(part), a.briefs(part))
		default:
			way := circle(a.needs, part)
			f.Text = fmt.Sprintf("ranks %s wait for each other: %s", path(way), a.briefs(way))
			f.Ranks = slices.Clone(way)
			slices.Sort(f.Ranks)
		}
		found = append(found, f)
	}
	return found
}

func (a *analysis) sameCall(part []int) bool {
	key := callKey{}
	for _, r := range part {
		for _, w := range a.waits[r] {
			k := callKey{w.Group, w.Seq}
			if w.Seq == 0 || key.seq > 0 && k != key {
				return false
			}
			key = k
		}
	}
	return true
}

// wild says that somebody of the ranks would take any message.
func (a *analysis) wild(part []int) bool {
	for _, r := range part {
		if slices.ContainsFunc(a.needs[r], func(n need) bool { return n.any }) {
			return true
		}
	}
	return false
}

// maxPath is how many ranks of a circle are written out.
const maxPath = 8

// path writes 0 -> 1 -> 2 -> 0.
func path(way []int) string {
	var parts []string
	for i, r := range way {
		if len(way) > maxPath && i >= maxPath/2 && i < len(way)-2 {
			if i == maxPath/2 {
				parts = append(parts, "...")
			}
			continue
		}
		parts = append(parts, fmt.Sprint(r))
	}
	return strings.Join(append(parts, fmt.Sprint(way[0])), " -> ")
}

// maxBriefs is how many different waits of a circle are written out.
const maxBriefs = 4

// briefs says what ranks are blocked in, once if it is the same for all.
func (a *analysis) briefs(ranks []int) string {
	var texts []string
	who := map[string][]int{}
	for _, r := range ranks {
		for _, w := range a.waits[r] {
			t := a.brief(w)
			if who[t] == nil {
				texts = append(texts, t)
			}
			if !slices.Contains(who[t], r) {
				who[t] = append(who[t], r)
			}
		}
	}
	if len(texts) == 1 {
		return texts[0]
	}
	for i, t := range texts {
		if i == maxBriefs {
			texts = append(texts[:i], "...")
			break
		}
		texts[i] = fmt.Sprintf("%s (%s)", t, rankset.Label(who[t]))
	}
	return strings.Join(texts, "; ")
}

// awaited finds the ranks that others wait for, directly or through others, and
// that wait for nobody themselves.
func (a *analysis) awaited() (found []Finding) {
	waiters := map[int][]int{} // of each such rank
	for r := range a.waits {
		seen := map[int]bool{r: true}
		for queue := []int{r}; len(queue) > 0; queue = queue[1:] {
			for _, n := range a.needs[queue[0]] {
				for _, to := range n.of {
					if n.any || to < 0 || to >= len(a.procs) || a.procs[to] == nil || seen[to] {
						continue
					}
					seen[to] = true
					if len(a.waits[to]) > 0 {
						queue = append(queue, to)
					} else {
						waiters[to] = append(waiters[to], r)
					}
				}
			}
		}
	}
	type group struct {
		what           string
		ranks, waiting []int
	}
	var groups []group
	for r := range a.procs {
		if len(waiters[r]) == 0 {
			continue
		}
		what, _ := a.doing(r)
		i := slices.IndexFunc(groups, func(g group) bool { return g.what == what && slices.Equal(g.waiting, waiters[r]) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{what: what, waiting: waiters[r]})
		}
		groups[i].ranks = append(groups[i].ranks, r)
	}
	slices.SortStableFunc(groups, func(x, y group) int { return len(y.waiting) - len(x.waiting) })
	for _, g := range groups {
		verb := "waits"
		if len(g.waiting) > 1 {
			verb = "wait"
		}
		found = append(found, Finding{
			Text: fmt.Sprintf("%s %s %sfor %s, which %s", rankset.Label(g.waiting), verb, a.inWhat(g.waiting), rankset.Label(g.ranks),
				plural(a.state(g.ranks), len(g.ranks))),
			Ranks: g.ranks,
		})
	}
	return found
}

// inWhat is what the waiting ranks wait in, if that is one thing.
func (a *analysis) inWhat(ranks []int) string {
	text := ""
	for _, r := range ranks {
		for _, w := range a.waits[r] {
			t := a.brief(w)
			if text != "" && t != text {
				return ""
			}
			text = t
		}
	}
	if strings.Contains(text, ", ") {
		text += ","
	}
	return "in " + text + " "
}

// idle is for jobs in which nobody waits for a rank that could be named.
func (a *analysis) idle() Finding {
	var waiting, all []int
	for r := range a.procs {
		if a.procs[r] == nil {
			continue
		}
		all = append(all, r)
		if len(a.waits[r]) > 0 {
			waiting = append(waiting, r)
		}
	}
	for _, c := range a.inOrder() {
		if in := c.ranks(); len(in) == c.waits[0].Members || len(in) == len(all) {
			return Finding{Text: fmt.Sprintf("%s are all in %s and agree about it; it has not come to its end", rankset.Label(in), a.name(c.waits[0])), Ranks: in}
		}
	}
	if len(waiting) > 0 {
		if slices.ContainsFunc(waiting, func(r int) bool { return a.stuck[r] }) {
			return Finding{Text: fmt.Sprintf("nobody is left who could send to %s (%s)", rankset.Label(waiting), a.briefs(waiting)), Ranks: waiting}
		}
		return Finding{Text: fmt.Sprintf("%s: %s", rankset.Label(waiting), a.briefs(waiting)), Ranks: waiting}
	}
	// What most ranks that have not ended do.
	var alive []int
	for _, r := range all {
		if a.procs[r].Phase != Ended {
			alive = append(alive, r)
		}
	}
	if len(alive) == 0 {
		return Finding{Text: "all ranks have ended"}
	}
	byDoing := map[string][]int{}
	var order []string
	for _, r := range alive {
		what, _ := a.doing(r)
		if byDoing[what] == nil {
			order = append(order, what)
		}
		byDoing[what] = append(byDoing[what], r)
	}
	slices.SortStableFunc(order, func(x, y string) int { return len(byDoing[y]) - len(byDoing[x]) })
	var parts []string
	for _, what := range order {
		ranks := byDoing[what]
		if len(parts) == maxBriefs {
			parts = append(parts, "...")
			break
		}
		parts = append(parts, rankset.Label(ranks)+" "+plural(a.state(ranks), len(ranks)))
	}
	return Finding{Text: "no rank waits for another: " + strings.Join(parts, "; "), Ranks: byDoing[order[0]]}
}

// plural turns "computes" into "compute" for several ranks.
func plural(what string, n int) string {
	if n == 1 {
		return what
	}
	first, rest, more := strings.Cut(what, " ")
	word, comma := strings.CutSuffix(first, ",")
	switch word {
	case "is":
		word = "are"
	case "has":
		word = "have"
	default:
		word = strings.TrimSuffix(word, "s")
	}
	if comma {
		word += ","
	}
	if more {
		return word + " " + rest
	}
	return word
}
