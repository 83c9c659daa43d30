package rankset

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFold(t *testing.T) {
	for _, c := range []struct {
		ranks []int
		text  string
		label string
	}{
		{nil, "", "rank "},
		{[]int{7}, "7", "rank 7"},
		{[]int{0, 1}, "0-1", "ranks 0-1"},
		{[]int{5, 0, 1, 2, 5}, "0-2,5", "ranks 0-2,5"},
		{[]int{0, 2, 4}, "0,2,4", "ranks 0,2,4"},
	} {
		if got := Fold(c.ranks); got != c.text {
			t.Errorf("Fold(%v) = %q, want %q", c.ranks, got, c.text)
		}
		if got := Label(c.ranks); got != c.label {
			t.Errorf("Label(%v) = %q, want %q", c.ranks, got, c.label)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for _, text := range []string{",", "-", "1-", "-1", "3-2", "a", "1,,2", "1-2-3", "0-99999999", "+1", " 1"} {
		if got, err := Expand(text); err == nil {
			t.Errorf("Expand(%q) = %v, want an error", text, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var set []int
		for r := range rnd.IntN(100) {
			if rnd.IntN(3) > 0 {
				set = append(set, r)
			}
		}
		back, err := Expand(Fold(set))
		if err != nil || !slices.Equal(back, set) {
			t.Fatalf("Expand(Fold(%v)) = %v, %v", set, back, err)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "0", "0-3,5", "1-1", "9-1", "0-1048577"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ranks, err := Expand(text)
		if err != nil {
			return
		}
		again, err := Expand(Fold(ranks))
		if err != nil || !slices.Equal(again, ranks) {
			t.Fatalf("%q: %v folds to %q, which is %v, %v", text, ranks, Fold(ranks), again, err)
		}
	})
}
