package message

import (
	"bytes"
	"context"
	"testing"

	"gridrun/rt"
)

// TestOverChannels: every test that there is over channels moves the bytes, with and
// without room, and ends.
func TestOverChannels(t *testing.T) {
	for name := range overChannels {
		for _, room := range []int{0, 1, ChannelRoom} {
			for _, ranks := range []int{2, 3, 4} {
				found, _ := find(name)
				test, ok := found.over(room)
				if !ok {
					t.Fatal(name)
				}
				err := rt.Run(context.Background(), ranks, func(ctx context.Context, w *rt.World) error {
					m, err := test.prepare(ctx, w, 100)
					if err != nil {
						return err
					}
					defer m.close()
					for i := range m.out {
						m.out[i] = byte(i + 1)
					}
					if _, err := test.run(ctx, m, 3); err != nil {
						return err
					}
					receives := w.Rank() == 1 || name == "latency" && w.Rank() == 0
					if name == "rate" {
						receives = w.Rank() >= ranks/2 && w.Rank() < ranks/2*2
					}
					if got := bytes.Equal(m.in, m.out); got != receives {
						t.Errorf("%s with room for %d: rank %d of %d received: %v", name, room, w.Rank(), ranks, got)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, ok := tests[len(tests)-1].over(0); ok {
		t.Error("a fold over channels")
	}
}

func TestChannelWord(t *testing.T) {
	for word, want := range map[string]int{"channels=0": 0, "channels=64": 64, "channels=": -1, "channels=-1": -1, "50": -1, "channels=99999999": -1} {
		if got := channelRoom(word); got != want {
			t.Errorf("%q: %d, want %d", word, got, want)
		}
	}
	if (Task{Tests: []string{"barrier"}}).Channels() || !(Task{Tests: []string{"barrier", "rate"}}).Channels() {
		t.Error("Channels is wrong")
	}
}
