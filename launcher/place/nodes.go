package place

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxName   = 255 // bytes, as in the domain name system
	maxDigits = 18  // of a number that ranges are made of
)

// expand reads the ranges of a name, node[1-3,7] or rack[1-2]-node[01-16]: all
// names they stand for, the last range running fastest, each name once. A range
// whose first number has leading zeros keeps its width.
func expand(pattern string) ([]string, error) {
	names := []string{""}
	seen := map[string]bool{}
	for rest := pattern; rest != ""; {
		literal, behind, ranged := strings.Cut(rest, "[")
		if strings.ContainsAny(literal, "],") {
			return nil, fmt.Errorf("%q: %q stands outside of a range; a range is node[1-3,7]", pattern, literal)
		}
		numbers := []string{""}
		rest = ""
		if ranged {
			inside, after, closed := strings.Cut(behind, "]")
			if !closed {
				return nil, fmt.Errorf("%q: the bracket is not closed; a range is node[1-3,7]", pattern)
			}
			var err error
			if numbers, err = expandRange(inside); err != nil {
				return nil, fmt.Errorf("%q: %w", pattern, err)
			}
			rest = after
		}
		if len(names)*len(numbers) > MaxHosts {
			return nil, fmt.Errorf("%q stands for more than %d hosts", pattern, MaxHosts)
		}
		longer := make([]string, 0, len(names)*len(numbers))
		clear(seen)
		for _, name := range names {
			for _, number := range numbers {
				n := name + literal + number
				if len(n) > maxName {
					return nil, fmt.Errorf("%.40q... is no host name: it has more than %d bytes", n, maxName)
				}
				if !seen[n] {
					seen[n] = true
					longer = append(longer, n)
				}
			}
		}
		names = longer
	}
	return names, nil
}

// expandRange reads what stands in brackets: 1-3,7.
func expandRange(text string) ([]string, error) {
	var numbers []string
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err := nodeNumber(low)
		if err != nil {
			return nil, err
		}
		last, err := nodeNumber(high)
		if err != nil {
			return nil, err
		}
		switch {
		case last < first:
			return nil, fmt.Errorf("range %s runs backwards; write %s-%s", part, high, low)
		case width(high) != 0 && len(high) != len(low):
			return nil, fmt.Errorf("range %s has leading zeros that differ; write as many digits at both ends", part)
		case last-first >= MaxHosts:
			return nil, fmt.Errorf("range %s has more than %d numbers", part, MaxHosts)
		}
		for n := first; n <= last; n++ {
			numbers = append(numbers, padded(n, width(low)))
		}
		if len(numbers) > MaxHosts {
			return nil, fmt.Errorf("the range has more than %d numbers", MaxHosts)
		}
	}
	return numbers, nil
}

func nodeNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || len(text) > maxDigits {
		return 0, fmt.Errorf("%q is no number; a range is [1-3,7]", text)
	}
	return int(n), nil
}

// width is the number of digits that a number with leading zeros keeps; 0: it
// has none.
func width(digits string) int {
	if len(digits) > 1 && digits[0] == '0' {
		return len(digits)
	}
	return 0
}

func padded(n, width int) string { return fmt.Sprintf("%0*d", width, n) }

// FoldHosts writes names short for messages, node[1-3,7],gate: what [ParseHosts]
// reads. Names that differ in one number share brackets; those with several
// numbers fold in each where the set is a full product, rack[1-2]-node[1-8].
// Duplicates count once. Names stand in the order of their first mention.
func FoldHosts(names []string) string {
	// An item is a set of names: text at even places, and between them numbers,
	// which become ranges.
	var items [][]string
	seen := map[string]bool{}
	dimensions := 0
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			item := cutNumbers(name)
			items = append(items, item)
			dimensions = max(dimensions, len(item)/2)
		}
	}
	// Numbers are counted from the end of the name; the last ones fold first.
	for d := range dimensions {
		var folded [][]string
		var sets [][]string // the numbers that meet in folded[i]
		at := map[string]int{}
		for _, item := range items {
			place := len(item) - 2 - 2*d
			if place < 1 {
				folded, sets = append(folded, item), append(sets, nil)
				continue
			}
			number := item[place]
			item[place] = "*" // in no name, so the key is like no other
			key := strings.Join(item, "\x00")
			i, ok := at[key]
			if !ok {
				i = len(folded)
				at[key] = i
				folded, sets = append(folded, item), append(sets, nil)
			}
			sets[i] = append(sets[i], number)
		}
		for i, set := range sets {
			if set != nil {
				folded[i][len(folded[i])-2-2*d] = foldNumbers(set)
			}
		}
		items = folded
	}
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = strings.Join(item, "")
	}
	return strings.Join(words, ",")
}

// cutNumbers cuts a name into text, number, text, ..., text. Ranges count in
// tens, so an IPv6 address has no numbers.
func cutNumbers(name string) []string {
	if isIPv6(name) {
		return []string{name}
	}
	var parts []string
	literal := 0 // where the present text starts
	for i := 0; i < len(name); {
		end := i
		for end < len(name) && name[end] >= '0' && name[end] <= '9' {
			end++
		}
		if end > i && end-i <= maxDigits {
			parts = append(parts, name[literal:i], name[i:end])
			literal = end
		}
		i = max(end, i+1)
	}
	return append(parts, name[literal:])
}

// foldNumbers writes different numbers as one number or [ranges].
func foldNumbers(numbers []string) string {
	if len(numbers) == 1 {
		return numbers[0]
	}
	// 1, 2, 01, 02: each width is by itself, shorter ones first
	slices.SortFunc(numbers, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	var b strings.Builder
	for i := 0; i < len(numbers); {
		first := numbers[i]
		last := first
		n, _ := strconv.Atoi(first) // at most maxDigits digits
		for i++; i < len(numbers) && numbers[i] == padded(n+1, width(first)); i++ {
			n++
			last = numbers[i]
		}
		b.WriteByte("[,"[min(b.Len(), 1)])
		b.WriteString(first)
		if last != first {
			b.WriteString("-" + last)
		}
	}
	return b.String() + "]"
}
