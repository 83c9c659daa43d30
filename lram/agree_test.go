package lram

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gridrun/rt"
)

// One rank cannot connect: all learn it, and the rank itself keeps its own error.
func TestOneFailureReachesAll(t *testing.T) {
	mine := errors.New("no socket left")
	for _, n := range sizes {
		last := n - 1
		err := rt.Run(context.Background(), n, func(ctx context.Context, w *rt.World) error {
			var failed error
			if w.Rank() == last {
				failed = mine
			}
			c := &Cache{room: int64(100 - w.Rank())}
			err := c.allWell(ctx, w, failed)
			switch {
			case w.Rank() == last && err != mine:
				return fmt.Errorf("rank %d has %v", last, err)
			case w.Rank() != last && (err == nil || err.Error() != fmt.Sprintf("rank %d: no socket left", last)):
				return fmt.Errorf("rank %d has %v", w.Rank(), err)
			}
			if err := c.allWell(ctx, w, nil); err != nil || c.room != int64(100-last) {
				return fmt.Errorf("rank %d: room %d, %v", w.Rank(), c.room, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%d ranks: %v", n, err)
		}
	}
}

func TestFirstOf(t *testing.T) {
	for _, c := range []struct {
		errs []string
		want string
	}{
		{[]string{"", ""}, ""},
		{[]string{"a"}, "a"},
		{[]string{"a", "a"}, "a"},
		{[]string{"", "b", "c"}, "rank 1: b"},
		{[]string{"a", ""}, "rank 0: a"},
	} {
		if got := firstOf(c.errs); got != c.want {
			t.Errorf("firstOf(%q) = %q, want %q", c.errs, got, c.want)
		}
	}
}

// Four ranks on two hosts: requests add up, each server counts once, as it was last seen.
func TestFold(t *testing.T) {
	asked := Stats{Requests: 1, HitsLocal: 2, Waits: 3, Misses: 4, BytesAsked: 5, StallNanos: 6}
	got := fold([]share{
		{Stats: asked, Server: "a", Served: Stats{Decodes: 7, BytesRead: 70}},
		{Stats: asked, Server: "a", Served: Stats{Decodes: 9, BytesRead: 90, Evictions: 1, BytesPrefetchedUnused: 3}},
		{Stats: asked, Server: "b", Served: Stats{Decodes: 1, BytesRead: 10}},
		{Stats: asked, Server: "a", Served: Stats{Decodes: 8, BytesRead: 80}},
	})
	want := Stats{Requests: 4, HitsLocal: 8, Waits: 12, Misses: 16, BytesAsked: 20, StallNanos: 24,
		Decodes: 10, BytesRead: 100, Evictions: 1, BytesPrefetchedUnused: 3}
	if got.Stats != want || got.Error != "" {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := fold([]share{{Server: "a"}, {Server: "b", Error: "gone"}}); !strings.Contains(got.Error, "rank 1: gone") {
		t.Errorf("an error of one rank: %q", got.Error)
	}
}
