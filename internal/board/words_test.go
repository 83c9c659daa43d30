package board

import "testing"

// Who waits for a meeting sees how many have come, until somebody has seen that nobody
// does; the next to come changes that.
func TestCount(t *testing.T) {
	b := Make(Shape{Members: 6, Stage: 64, Pipe: 64})
	var parties []*Party
	for m := range 6 {
		parties = append(parties, b.Join(m, nil))
	}
	for turn := range 3 * rounds {
		var w Words
		for m, p := range parties {
			if err := p.Enter(); err != nil {
				t.Fatal(err)
			}
			last, err := p.Arrive(nil, true)
			if err != nil || last != (m == 5) {
				t.Fatal(last, err)
			}
			r := p.round(p.turn)
			w = r.arrivals(&r.released, uint32(p.turn))
			n, ok := w.Count()
			if want := uint32(6*(turn/rounds) + m + 1); n != want || !ok {
				t.Fatalf("turn %d, member %d: %d, %v, want %d", turn, m, n, ok, want)
			}
			if w.Stalled(n); m%2 == 0 {
				if _, ok := w.Count(); ok {
					t.Fatal("not stalled")
				}
			}
			if w.Reached(0) != 0 {
				t.Fatal("released")
			}
		}
		parties[5].Release(nil)
		for _, p := range parties[:5] {
			if err := p.Met(); err != nil {
				t.Fatal(err)
			}
		}
		if w.Reached(0) != 1 {
			t.Fatal("not released")
		}
	}
	w := word(&b.never, 1)
	if _, ok := w.Count(); ok {
		t.Error("nobody counts that")
	}
}
