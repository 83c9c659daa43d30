package waittable

import (
	"sync"
	"testing"
	"time"

	"gridrun/internal/hostclock"
)

func TestEnterReadLeave(t *testing.T) {
	table := At(make([]byte, RankSize))
	now := time.Now()
	var slots []int
	for i := range Slots {
		slots = append(slots, table.Enter(Wait{Op: uint8(i), Peer: int32(-i), Tag: 7, Seq: 9, Group: 1 << 60, Since: now,
			Root: int32(i), Count: 1 << 40, Elem: 77, Members: 93}))
	}
	if s := table.Enter(Wait{}); s != -1 {
		t.Fatalf("slot %d of a full table", s)
	}
	got := table.Read()
	if len(got) != Slots {
		t.Fatalf("%d entries", len(got))
	}
	for i, w := range got {
		if w.Op != uint8(i) || w.Peer != int32(-i) || w.Tag != 7 || w.Seq != 9 || w.Group != 1<<60 || !w.Since.Equal(now) ||
			w.Root != int32(i) || w.Count != 1<<40 || w.Elem != 77 || w.Members != 93 {
			t.Fatalf("entry %d: %+v", i, w)
		}
	}
	for _, s := range slots {
		table.Leave(s)
	}
	table.Leave(-1)
	if got := table.Read(); len(got) != 0 {
		t.Fatalf("%d entries stay", len(got))
	}
}

// What a table holds is no time of day: a clock that is set between Enter and
// Read would otherwise make a wait last for hours, or end before it began.
func TestSinceIsTheHostsClock(t *testing.T) {
	mem := make([]byte, RankSize)
	before := hostclock.Shared().Now()
	At(mem).Enter(Wait{Since: time.Now()})
	after := hostclock.Shared().Now()
	since := At(mem).entries[0].since
	if since < before || since > after {
		t.Errorf("the table says %d, the host's clock went from %d to %d", since, before, after)
	}
	// As another process of the host reads it, later.
	w := At(mem).Read()[0]
	if d := time.Since(w.Since); d < 0 || d > time.Minute {
		t.Errorf("it has waited for %v", d)
	}
}

// A rank without a table publishes nothing.
func TestZeroTable(t *testing.T) {
	var none Table
	slot := none.Enter(Wait{})
	none.Leave(slot)
	if slot != -1 || none.Read() != nil {
		t.Fatalf("slot %d, %v", slot, none.Read())
	}
}

// A reader never sees half of one wait and half of another.
func TestReadIsWhole(t *testing.T) {
	table := New()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := int32(g); ; i += 4 {
				select {
				case <-done:
					return
				default:
				}
				table.Leave(table.Enter(Wait{Op: uint8(i), Peer: i, Tag: i, Seq: uint32(i), Group: uint64(i),
					Root: i, Count: int64(i), Elem: uint32(i), Members: uint32(i)}))
			}
		})
	}
	seen := 0
	for deadline := time.Now().Add(10 * time.Second); seen < 2000 && time.Now().Before(deadline); {
		for _, w := range table.Read() {
			seen++
			if w.Peer != w.Tag || uint32(w.Peer) != w.Seq || uint64(w.Peer) != w.Group || w.Op != uint8(w.Peer) ||
				w.Root != w.Peer || w.Count != int64(w.Peer) || w.Elem != uint32(w.Peer) || w.Members != uint32(w.Peer) {
				t.Fatalf("torn: %+v", w)
			}
		}
	}
	close(done)
	wg.Wait()
	if seen == 0 {
		t.Fatal("nothing was seen")
	}
}
