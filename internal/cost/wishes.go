package cost

import (
	"fmt"
	"slices"
	"strings"
)

// Wishes are algorithms that somebody wants, by operation.
type Wishes map[string]string

// Operations lists those that have a choice.
func Operations() (ops []string) {
	for i := range entries {
		if op := entries[i].op; !slices.Contains(ops, op) {
			ops = append(ops, op)
		}
	}
	return ops
}

// Suits tells whether an operation has an algorithm of that name that goes by
// messages, with ordered one that keeps the order of ranks.
func Suits(op, name string, ordered bool) bool {
	for i := range entries {
		if e := &entries[i]; e.op == op && e.name == name {
			return e.ordered || !ordered
		}
	}
	return false
}

// ParseWishes reads AllReduce=ring,Bcast=shared.
func ParseWishes(text string) (Wishes, error) {
	w := Wishes{}
	for _, part := range strings.Split(text, ",") {
		if part == "" {
			continue
		}
		op, name, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not OPERATION=NAME, such as AllReduce=ring", part)
		}
		if !slices.Contains(Operations(), op) {
			return nil, fmt.Errorf("no operation %q has algorithms to choose; there are %s", op, strings.Join(Operations(), ", "))
		}
		if name != Shared && name != Hierarchical && !Suits(op, name, false) {
			return nil, fmt.Errorf("%s has no algorithm %q; there are %s", op, name,
				strings.Join(append(Names(op, false), Hierarchical, Shared), ", "))
		}
		w[op] = name
	}
	return w, nil
}
