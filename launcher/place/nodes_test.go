package place

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestFoldHosts(t *testing.T) {
	for want, names := range map[string]string{
		"":                      "",
		"a":                     "a",
		"a,b":                   "a b a",
		"node3":                 "node3",
		"node[1-3,7]":           "node7 node2 node1 node3 node2",
		"node[1-2,01-02]":       "node01 node1 node2 node02",
		"node[08-12]":           "node08 node09 node10 node11 node12",
		"node[8-12]":            "node8 node9 node10 node11 node12",
		"node[99-101]":          "node99 node100 node101",
		"n[1-2].x,n[1-2].y":     "n1.x n2.x n1.y n2.y",
		"rack[1-2]-n[1-2]":      "rack1-n1 rack1-n2 rack2-n1 rack2-n2",
		"rack1-n[1-2],rack2-n1": "rack1-n1 rack1-n2 rack2-n1",
		"10.0.0.[1-3],gate":     "10.0.0.1 10.0.0.2 gate 10.0.0.3",
		"fe80::1,fe80::2":       "fe80::1 fe80::2",
		// 20 digits are text, not a number
		"a12345678901234567891,a12345678901234567892": "a12345678901234567891 a12345678901234567892",
	} {
		if got := FoldHosts(strings.Fields(names)); got != want {
			t.Errorf("%s: %q, want %q", names, got, want)
		}
	}
}

// expandAll reads what FoldHosts writes.
func expandAll(t *testing.T, text string) []string {
	list, err := ParseHosts(text)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range list {
		names = append(names, h.Name)
	}
	return names
}

// randomNumbers is a set of numbers as foldNumbers writes it.
func randomNumbers(rnd *rand.Rand) string {
	var numbers []string
	width := rnd.IntN(4)
	for n := range 1 + rnd.IntN(30) {
		if rnd.IntN(3) > 0 {
			numbers = append(numbers, fmt.Sprintf("%0*d", width, n))
		}
	}
	if numbers == nil {
		return "5"
	}
	return foldNumbers(numbers)
}

// TestFoldExpand: fold(expand(s)) is s for the sets that fold writes, with one
// number and with two.
func TestFoldExpand(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	for range 1000 {
		var words []string
		for _, prefix := range []string{"node", "r.", "x-"}[:1+rnd.IntN(3)] {
			word := prefix + randomNumbers(rnd)
			if rnd.IntN(3) == 0 {
				word += "-n" + randomNumbers(rnd)
			}
			words = append(words, word)
		}
		text := strings.Join(words, ",")
		if got := FoldHosts(expandAll(t, text)); got != text {
			t.Fatalf("%q folds to %q", text, got)
		}
	}
}

// TestFoldAnySet: expand(fold(set)) is the set, in any order.
func TestFoldAnySet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 2))
	for range 1000 {
		var set []string
		for range 1 + rnd.IntN(40) {
			name := fmt.Sprintf("n%0*d", 1+rnd.IntN(2), rnd.IntN(12))
			if rnd.IntN(2) == 0 {
				name += fmt.Sprintf(".%d", rnd.IntN(4))
			}
			set = append(set, name)
		}
		got := expandAll(t, FoldHosts(set))
		slices.Sort(got)
		slices.Sort(set)
		if set = slices.Compact(set); !slices.Equal(got, set) {
			t.Fatalf("%v folds to %q", set, FoldHosts(set))
		}
	}
}
