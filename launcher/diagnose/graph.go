package diagnose

import "slices"

// A need is what ends one wait: all of some ranks must act, or any of them, or
// something that is no rank.
type need struct {
	of      []int
	any     bool
	outside bool
}

// stuck returns the ranks that nobody can free: the largest set of waiting ranks
// in which every wait of every member needs somebody of the set, or somebody who
// is gone. A rank with several waits (goroutines) is free if one of them can end.
func stuck(needs [][]need, gone func(int) bool) []bool {
	in := make([]bool, len(needs))
	for r := range needs {
		in[r] = len(needs[r]) > 0
	}
	bound := func(r int) bool { return gone(r) || r < len(in) && in[r] }
	holds := func(n need) bool {
		switch {
		case n.outside:
			return false
		case n.any:
			return !slices.ContainsFunc(n.of, func(r int) bool { return !bound(r) })
		}
		return slices.ContainsFunc(n.of, bound)
	}
	for changed := true; changed; {
		changed = false
		for r := range needs {
			if in[r] && slices.ContainsFunc(needs[r], func(n need) bool { return !holds(n) }) {
				in[r], changed = false, true
			}
		}
	}
	return in
}

// circles returns the sets of ranks, of those in, that wait for each other: the
// strongly connected parts of the graph of needs (Tarjan 1972, with a stack of
// its own), single ranks only if they wait for themselves. Ranks ascend.
func circles(needs [][]need, in []bool) [][]int {
	next := edges(needs, in)
	index := make([]int, len(needs)) // order of discovery from 1; 0: not seen
	low := make([]int, len(needs))   // the lowest index that is reached
	onStack := make([]bool, len(needs))
	var stack []int
	var found [][]int
	count := 0
	type visit struct{ rank, edge int }
	for start := range needs {
		if !in[start] || index[start] > 0 {
			continue
		}
		work := []visit{{start, 0}}
		for len(work) > 0 {
			v := &work[len(work)-1]
			r := v.rank
			if v.edge == 0 {
				count++
				index[r], low[r] = count, count
				stack, onStack[r] = append(stack, r), true
			}
			if v.edge < len(next[r]) {
				to := next[r][v.edge]
				v.edge++
				switch {
				case index[to] == 0:
					work = append(work, visit{to, 0})
				case onStack[to]:
					low[r] = min(low[r], index[to])
				}
				continue
			}
			work = work[:len(work)-1]
			if len(work) > 0 {
				above := work[len(work)-1].rank
				low[above] = min(low[above], low[r])
			}
			if low[r] != index[r] {
				continue
			}
			i := slices.Index(stack, r)
			part := slices.Clone(stack[i:])
			stack = stack[:i]
			for _, m := range part {
				onStack[m] = false
			}
			if len(part) > 1 || slices.Contains(next[r], r) {
				slices.Sort(part)
				found = append(found, part)
			}
		}
	}
	slices.SortFunc(found, func(a, b []int) int { return a[0] - b[0] })
	return found
}

// edges are the needs among the ranks that are in.
func edges(needs [][]need, in []bool) [][]int {
	next := make([][]int, len(needs))
	for r := range needs {
		if !in[r] {
			continue
		}
		for _, n := range needs[r] {
			for _, to := range n.of {
				if to >= 0 && to < len(in) && in[to] && !slices.Contains(next[r], to) {
					next[r] = append(next[r], to)
				}
			}
		}
	}
	return next
}

// circle is a shortest way from a member of a part back to it, through members;
// the start is its smallest member that has one.
func circle(needs [][]need, part []int) []int {
	in := make([]bool, len(needs))
	for _, r := range part {
		in[r] = true
	}
	next := edges(needs, in)
	var best []int
	for _, start := range part {
		from := map[int]int{}
		queue := []int{start}
		for len(queue) > 0 {
			r := queue[0]
			queue = queue[1:]
			done := false
			for _, to := range next[r] {
				if _, seen := from[to]; !seen {
					from[to] = r
					queue = append(queue, to)
					done = done || to == start
				}
			}
			if done {
				break
			}
		}
		if _, back := from[start]; !back {
			continue
		}
		way := []int{start}
		for r := from[start]; r != start; r = from[r] {
			way = append(way, r)
		}
		slices.Reverse(way[1:])
		if best == nil || len(way) < len(best) {
			best = way
		}
		if len(best) == 1 {
			break
		}
	}
	return best
}
