package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gridrun/internal/wire"
	"gridrun/launcher/rankset"
)

// A call is one collective call and the ranks that are blocked in it.
type call struct {
	key   callKey
	waits []wire.Wait // one a rank, by rank
}

// gather finds the calls that ranks are blocked in.
func (a *analysis) gather() {
	for _, waits := range a.waits {
		for _, w := range waits {
			if w.Seq == 0 {
				continue
			}
			key := callKey{w.Group, w.Seq}
			c := a.calls[key]
			if c == nil {
				c = &call{key: key}
				a.calls[key] = c
			}
			if n := len(c.waits); n == 0 || c.waits[n-1].Rank != w.Rank {
				c.waits = append(c.waits, w)
			}
		}
	}
}

func (c *call) ranks() []int {
	var ranks []int
	for _, w := range c.waits {
		ranks = append(ranks, w.Rank)
	}
	return ranks
}

// missing are the ranks that others wait for in the call and that are not in it.
// Where the waits name no peer (shared memory) it is all ranks of the world that
// are not in the call nor beyond it; of other groups the members are not known.
func (c *call) missing(a *analysis) []int {
	in := c.ranks()
	var out []int
	named := false
	for _, w := range c.waits {
		if w.Peer >= 0 {
			named = true
			if !slices.Contains(in, w.Peer) {
				out = append(out, w.Peer)
			}
		}
	}
	if !named && c.key.group == 0 {
		for r := range a.procs {
			if !slices.Contains(in, r) && !a.beyond(r, c.key) {
				out = append(out, r)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// beyond says that a rank is known to be in a later call of the group.
func (a *analysis) beyond(r int, key callKey) bool {
	return slices.ContainsFunc(a.waits[r], func(w wire.Wait) bool { return w.Group == key.group && w.Seq > key.seq })
}

// name is "AllReduce #17 on world".
func (a *analysis) name(w wire.Wait) string {
	return fmt.Sprintf("%s #%d on %s", w.Op, w.Seq, a.group(w.Group, w.Members))
}

// group names a group by its order of appearance: their ids say nothing.
func (a *analysis) group(id uint64, members int) string {
	if id == 0 {
		return "world"
	}
	label, ok := a.labels[id]
	if !ok {
		label = "group " + letters(len(a.labels))
		if members > 0 {
			label += fmt.Sprintf(" (%d ranks)", members)
		}
		a.labels[id] = label
	}
	return label
}

// letters counts A, B, ..., Z, AA, AB, ...
func letters(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letters(n/26-1) + string(rune('A'+n%26))
}

// disagreements are calls in which ranks do not do the same. Nobody will ever
// leave such a call with success.
func (a *analysis) disagreements() (found []Finding) {
	for _, c := range a.inOrder() {
		if ops := split(c.waits, func(w wire.Wait) string { return w.Op }); len(ops) > 1 {
			f := Finding{Text: fmt.Sprintf("%s waits for ", a.name(ops[0].waits[0]))}
			for i, other := range ops[1:] {
				if i > 0 {
					f.Text += ", and "
				}
				which := "which are"
				if len(other.waits) == 1 {
					which = "which is"
				}
				f.Text += fmt.Sprintf("%s, %s in %s #%d", rankset.Label(other.ranks()), which, other.value, c.key.seq)
				f.Ranks = append(f.Ranks, other.ranks()...)
			}
			found = append(found, f)
			continue
		}
		say := func(how func(wire.Wait) string, verb, noun string) bool {
			parts := split(c.waits, how)
			if len(parts) < 2 {
				return false
			}
			var say []string
			f := Finding{}
			for i, p := range parts {
				v := verb
				if len(p.waits) == 1 {
					v = strings.Replace(verb, " ", "s ", 1)
				}
				say = append(say, fmt.Sprintf("%s %s%s%s", rankset.Label(p.ranks()), v, p.value, noun))
				if i > 0 {
					f.Ranks = append(f.Ranks, p.ranks()...)
				}
			}
			f.Text = fmt.Sprintf("%s: %s", a.name(c.waits[0]), strings.Join(say, ", "))
			found = append(found, f)
			return true
		}
		// Roots count from 0; -1 is none, or a call that failed before it had one.
		if say(func(w wire.Wait) string { return fmt.Sprint(w.Root) }, "name root ", "") {
			continue
		}
		if say(func(w wire.Wait) string { return fmt.Sprint(w.Count) }, "bring ", " elements") {
			continue
		}
		if parts := split(c.waits, func(w wire.Wait) string { return fmt.Sprint(w.Elem) }); len(parts) > 1 {
			f := Finding{Text: fmt.Sprintf("%s: %s and %s bring other element types, lengths or options", a.name(c.waits[0]),
				rankset.Label(parts[0].ranks()), rankset.Label(parts[1].ranks()))}
			for _, p := range parts[1:] {
				f.Ranks = append(f.Ranks, p.ranks()...)
			}
			found = append(found, f)
		}
	}
	return found
}

// inOrder lists the calls by group and number, the world first.
func (a *analysis) inOrder() []*call {
	var all []*call
	for _, c := range a.calls {
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y *call) int {
		return cmp.Or(cmp.Compare(x.key.group, y.key.group), cmp.Compare(x.key.seq, y.key.seq))
	})
	return all
}

// A share is the waits of a call that have a value in common.
type share struct {
	value string
	call
}

// split shares waits out by a value, the largest share first.
func split(waits []wire.Wait, by func(wire.Wait) string) []share {
	var parts []share
	for _, w := range waits {
		v := by(w)
		i := slices.IndexFunc(parts, func(s share) bool { return s.value == v })
		if i < 0 {
			i = len(parts)
			parts = append(parts, share{value: v})
		}
		parts[i].waits = append(parts[i].waits, w)
	}
	slices.SortStableFunc(parts, func(x, y share) int { return len(y.waits) - len(x.waits) })
	return parts
}
