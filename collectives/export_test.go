package collectives

import (
	"gridrun/internal/cost"
	"gridrun/internal/engine"
	"gridrun/rt"
)

// Chosen is the algorithm that this rank would choose for every operation at some
// lengths, one after the other.
func Chosen(g rt.Group, bytes []int) (names string) {
	c := engine.From(g)
	k := chooserOf(c, false)
	if k == nil {
		return ""
	}
	for _, op := range cost.Operations() {
		for _, n := range bytes {
			for _, ordered := range []bool{false, true} {
				q := question{op: op, ordered: ordered, all: true, bytes: n}
				names += k.best(q) + k.best(q) + " "
			}
		}
	}
	return names
}
