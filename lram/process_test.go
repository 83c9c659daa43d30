//go:build linux

package lram

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestProcesses(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float32", []int{3, 80, 110})
	for _, memory := range []int64{16 << 20, 64 << 10} {
		h := startHost(t)
		var ranks []*proc
		for seed := range uint64(5) {
			ranks = append(ranks, h.rank(taskFor(p, seed, memory)))
		}
		for _, r := range ranks {
			r.expect(t, "open", "done")
		}
		if n := ranks[0].count(t); memory > p.bytes && n.decodes != 3 {
			t.Errorf("five ranks that read 3 levels: %+v", n)
		}
		for _, r := range ranks {
			r.leave(t)
		}
		h.end()
	}
}

// A rank is killed while it has blocks pinned in a tiny cache: another one reads on.
func TestKilledRankPinsNothing(t *testing.T) {
	noLeaks(t)
	const memory = 64 << 10
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{20, 1024})
	h := startHost(t)
	hold := taskFor(p, 1, memory)
	hold.Hold, hold.Boxes = true, 0
	var holders []*proc
	for range 12 { // each pins a block or more, together all there is room for
		holders = append(holders, h.rank(hold))
	}
	holders[0].expect(t, "open", "holding")
	reader := h.rank(taskFor(p, 2, memory))
	reader.expect(t, "open")
	for _, r := range holders {
		r.cmd.Process.Kill()
	}
	reader.expect(t, "done")
	reader.leave(t)
	h.end()
}

// The service is killed: every rank gets an error that says so, soon.
func TestServiceKilled(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{20, 1024})
	h := startHost(t)
	var ranks []*proc
	for seed := range uint64(3) {
		k := taskFor(p, seed, 64<<10)
		k.Boxes = 1 << 30
		ranks = append(ranks, h.rank(k))
	}
	hold := taskFor(p, 9, 64<<10)
	hold.Hold, hold.Boxes = true, 0
	holder := h.rank(hold)
	for _, r := range ranks {
		r.expect(t, "open")
	}
	holder.expect(t, "open", "holding")
	h.service.Process.Kill()
	h.service.Wait()
	for i, r := range ranks {
		if got := r.line(); !strings.Contains(got, ErrLost.Error()) {
			t.Errorf("rank %d says %q", i, got)
		}
		if err := r.cmd.Wait(); err == nil {
			t.Errorf("rank %d ends with success", i)
		}
	}
}
