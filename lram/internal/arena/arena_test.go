package arena

import (
	"math/rand/v2"
	"testing"
)

// twin keeps one flag a unit.
type twin []bool

func (w twin) fits(n int64) bool {
	run := int64(0)
	for _, used := range w {
		if used {
			run = 0
			continue
		}
		if run++; run*Unit >= n {
			return true
		}
	}
	return false
}

func (w twin) free() (n int64) {
	for _, used := range w {
		if !used {
			n += Unit
		}
	}
	return n
}

// play runs steps of (size in units, or which allocation to free) on both.
func play(t *testing.T, units int, steps []uint16) {
	t.Helper()
	a, w := New(int64(units)*Unit+5), make(twin, units)
	var live []span
	for _, s := range steps {
		if s&1 == 0 {
			n := int(s>>1) % (units*Unit/2 + 1)
			fits := w.fits(Round(n))
			off, ok := a.Alloc(n)
			if ok != fits {
				t.Fatalf("Alloc(%d) = %v, a range exists: %v", n, ok, fits)
			}
			if ok {
				for u := off / Unit; u < (off+Round(n))/Unit; u++ {
					if w[u] {
						t.Fatalf("unit %d handed out twice", u)
					}
					w[u] = true
				}
				live = append(live, span{off, Round(n)})
			}
		} else if len(live) > 0 {
			i := int(s>>1) % len(live)
			x := live[i]
			live = append(live[:i], live[i+1:]...)
			if err := a.Release(x.off); err != nil {
				t.Fatal(err)
			}
			for u := x.off / Unit; u < (x.off+x.n)/Unit; u++ {
				w[u] = false
			}
		}
		if a.Free() != w.free() {
			t.Fatalf("Free() = %d, want %d", a.Free(), w.free())
		}
	}
	for _, x := range live {
		if err := a.Release(x.off); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.free) != 1 || a.Free() != int64(units)*Unit {
		t.Fatalf("after freeing everything: %v", a.free)
	}
}

func TestAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		steps := make([]uint16, 200)
		for i := range steps {
			steps[i] = uint16(r.Uint32())
		}
		play(t, 1+r.IntN(40), steps)
	}
}

func TestReleaseOfNothing(t *testing.T) {
	a := New(10 * Unit)
	off, _ := a.Alloc(1)
	if err := a.Release(off + 1); err == nil {
		t.Error("released the middle of an allocation")
	}
	if err := a.Release(off); err != nil {
		t.Error(err)
	}
	if err := a.Release(off); err == nil {
		t.Error("released twice")
	}
}

func TestTooSmall(t *testing.T) {
	a := New(Unit - 1)
	if _, ok := a.Alloc(0); ok || a.Free() != 0 {
		t.Error("an arena below one unit hands out memory")
	}
}

func FuzzArena(f *testing.F) {
	f.Add([]byte{9, 2, 0, 4, 0, 1, 0, 8, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		var steps []uint16
		for i := 1; i+1 < len(in); i += 2 {
			steps = append(steps, uint16(in[i])|uint16(in[i+1])<<8)
		}
		play(t, 1+int(in[0])%32, steps)
	})
}
