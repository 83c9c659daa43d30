package cpuset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxCPU bounds the numbers of CPUs: Linux knows at most 8192.
const MaxCPU = 8191

// A Set is numbers of CPUs, ascending, each once.
type Set []int

// Parse reads the kernel's and people's form of a set, 0-3,8,10-11.
func Parse(text string) (Set, error) {
	var s Set
	for word := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		low, high, isRange := strings.Cut(word, "-")
		if !isRange {
			high = low
		}
		l, err1 := strconv.ParseUint(low, 10, 16)
		h, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil || l > h || h > MaxCPU {
			return nil, fmt.Errorf("%q is no list of CPUs; it looks like 0-3,8", text)
		}
		for c := l; c <= h; c++ {
			s = append(s, int(c))
		}
	}
	return of(s), nil
}

// of makes any numbers a Set.
func of(cpus []int) Set {
	s := slices.Clone(cpus)
	slices.Sort(s)
	return slices.Compact(s)
}

// String is the form that Parse reads.
func (s Set) String() string {
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(s[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Label is the set for messages: CPU 3, or CPUs 0-3,8.
func (s Set) Label() string {
	if len(s) == 1 {
		return "CPU " + s.String()
	}
	return "CPUs " + s.String()
}

// Minus is what s has and t has not.
func (s Set) Minus(t Set) Set {
	return slices.DeleteFunc(slices.Clone(s), func(c int) bool { return slices.Contains(t, c) })
}

// Union is what either has.
func (s Set) Union(t Set) Set { return of(append(slices.Clone(s), t...)) }
