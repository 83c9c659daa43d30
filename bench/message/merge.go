package message

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Merge makes one report of several that measured with the same ranks, over the
// same layer and the same contenders: what was measured in pieces, as other tests
// or as further rounds. The machine is the first one's.
func Merge(reports []Report) (all Report, err error) {
	if len(reports) == 0 {
		return all, errors.New("no reports to merge")
	}
	all = reports[0]
	all.Cases, all.Rounds = nil, 0
	all.Busy, all.Lost, all.Missing = nil, nil, nil
	for _, r := range reports {
		if r.Ranks != all.Ranks || r.Over != all.Over || !slices.Equal(r.Names, all.Names) {
			return all, fmt.Errorf("a report of %d ranks over %s by %q does not go with one of %d over %s by %q",
				r.Ranks, r.Over, r.Names, all.Ranks, all.Over, all.Names)
		}
		all.Busy, all.Lost = append(all.Busy, r.Busy...), append(all.Lost, r.Lost...)
		for _, m := range r.Missing {
			if !slices.Contains(all.Missing, m) {
				all.Missing = append(all.Missing, m)
			}
		}
		for _, c := range r.Cases {
			i := slices.IndexFunc(all.Cases, func(o Case) bool { return o.Test == c.Test && o.Bytes == c.Bytes })
			if i < 0 {
				i = len(all.Cases)
				all.Cases = append(all.Cases, Case{Test: c.Test, Bytes: c.Bytes, Figures: make([]Figure, len(all.Names))})
			}
			into := all.Cases[i].Figures
			if len(c.Figures) != len(into) {
				return all, fmt.Errorf("%s of %d bytes has %d figures for %d contenders", c.Test, c.Bytes, len(c.Figures), len(into))
			}
			for k, f := range c.Figures {
				into[k].Name, into[k].Runs = f.Name, append(into[k].Runs, f.Runs...)
			}
		}
	}
	// Tests as they came first, their sizes ascending, however the pieces are cut.
	first := map[string]int{}
	for i, c := range all.Cases {
		if _, known := first[c.Test]; !known {
			first[c.Test] = i
		}
	}
	slices.SortFunc(all.Cases, func(a, b Case) int {
		return cmp.Or(cmp.Compare(first[a.Test], first[b.Test]), cmp.Compare(a.Bytes, b.Bytes))
	})
	for i := range all.Cases {
		figures := all.Cases[i].Figures
		for k, f := range figures {
			figures[k] = figureOf(f.Name, f.Runs, all.Ranks)
			all.Rounds = max(all.Rounds, len(f.Runs))
			if k > 0 {
				figures[k].compare(figures[0])
			}
		}
	}
	return all, nil
}
