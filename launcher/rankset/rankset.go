// Package rankset folds sets of ranks into short text, and back: 0-3,5,7-92.
// Every message about ranks uses it, so that 93 ranks take a line and not 93.
package rankset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxRank bounds what [Expand] accepts, so that a slip of the finger in a
// range does not fill the memory.
const MaxRank = 1 << 20

// Fold writes a set of ranks as ascending numbers and ranges. Duplicates count
// once; the empty set is "".
func Fold(ranks []int) string {
	if !slices.IsSorted(ranks) {
		ranks = slices.Clone(ranks)
		slices.Sort(ranks)
	}
	var b strings.Builder
	for i := 0; i < len(ranks); {
		first, last := ranks[i], ranks[i]
		for i++; i < len(ranks) && ranks[i] <= last+1; i++ {
			last = ranks[i]
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(first))
		if last > first {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(last))
		}
	}
	return b.String()
}

// Label is the set with its noun: "rank 3", "ranks 0-2,5".
func Label(ranks []int) string {
	text := Fold(ranks)
	if strings.ContainsAny(text, ",-") {
		return "ranks " + text
	}
	return "rank " + text
}

// Expand reads what Fold writes. Ranges must ascend; overlaps count once.
func Expand(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var ranks []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		first, err := number(low)
		if err != nil {
			return nil, fmt.Errorf("rank set %q: %w", text, err)
		}
		last := first
		if isRange {
			if last, err = number(high); err != nil {
				return nil, fmt.Errorf("rank set %q: %w", text, err)
			}
		}
		if last < first {
			return nil, fmt.Errorf("rank set %q: range %s runs backwards", text, part)
		}
		if len(ranks)+last-first > MaxRank {
			return nil, fmt.Errorf("rank set %q: more than %d ranks", text, MaxRank)
		}
		for r := first; r <= last; r++ {
			ranks = append(ranks, r)
		}
	}
	slices.Sort(ranks)
	return slices.Compact(ranks), nil
}

func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n > MaxRank {
		return 0, fmt.Errorf("%q is no rank", s)
	}
	return int(n), nil
}
