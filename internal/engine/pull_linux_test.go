package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Long messages arrive whole whether their receiver copies them itself or has
// them sent, matched before they come or after.
func TestLongMessages(t *testing.T) {
	for _, pull := range []bool{true, false} {
		for _, early := range []bool{true, false} {
			t.Run(fmt.Sprintf("pull=%t early=%t", pull, early), func(t *testing.T) {
				c := sharedPair(t)
				for _, end := range c {
					end.Proc().crowded = true
				}
				if !pull {
					clear(c[0].Proc().pulls)
					clear(c[1].Proc().pulls)
				}
				longMessages(t, c, early)
			})
		}
	}
}

func longMessages(t *testing.T, c [2]*Comm, early bool) {
	ctx := context.Background()
	sizes := []int{eagerMax + 1, 64 << 10, 1<<20 + 3, 0, 5 << 20, 1}
	var wg sync.WaitGroup
	for me := range c {
		wg.Go(func() {
			var ins [][]byte
			var reqs []*Handle
			post := func() {
				for tag, n := range sizes {
					x := make([]byte, n)
					r, err := c[me].IRecv(ctx, OpIRecv, 1-me, Tag(tag), Payload{Bytes: x, Elem: 7, Size: 1})
					if err != nil {
						t.Error(err)
						return
					}
					ins, reqs = append(ins, x), append(reqs, r)
				}
			}
			if early {
				post()
			}
			for tag, n := range sizes {
				x := bytes.Repeat([]byte{byte(tag), byte(me), 3, byte(n)}, n/4+1)[:n]
				r, err := c[me].ISend(ctx, OpISend, 1-me, Tag(tag), Payload{Bytes: x, Elem: 7, Size: 1})
				if err != nil {
					t.Error(err)
					return
				}
				reqs = append(reqs, r)
			}
			if !early {
				for tag := range sizes {
					if _, _, err := c[me].Probe(ctx, 1-me, Tag(tag), true); err != nil {
						t.Error(err)
					}
				}
				post()
			}
			if err := WaitAll(ctx, reqs...); err != nil {
				t.Error(err)
			}
			for tag, x := range ins {
				n := sizes[tag]
				if want := bytes.Repeat([]byte{byte(tag), byte(1 - me), 3, byte(n)}, n/4+1)[:n]; !bytes.Equal(x, want) {
					t.Errorf("rank %d: message %d of %d bytes is not what was sent", me, tag, n)
				}
			}
		})
	}
	wg.Wait()
}

// A send that its receiver may be copying ends with the receiver's word only,
// also when its group is revoked, at either end.
func TestRevokeOffered(t *testing.T) {
	for who := range 2 {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("by=%d revoked first=%t", who, first), func(t *testing.T) {
				c := sharedPair(t)
				ctx := context.Background()
				if first && who == 1 {
					c[1].Revoke(errors.New("enough"))
				}
				r, err := c[0].Send(ctx, OpISend, 1, 0, Payload{Bytes: make([]byte, 1<<20), Elem: 7, Size: 1})
				if err != nil {
					t.Fatal(err)
				}
				if !first || who == 0 {
					c[who].Revoke(errors.New("enough"))
				}
				if _, err := r.Finish(ctx); !errors.Is(err, ErrRevoked) {
					t.Errorf("the send ends with %v", err)
				}
				c[0].rank.mu.Lock()
				if n := len(c[0].rank.sends); n != 0 {
					t.Errorf("%d sends stay", n)
				}
				c[0].rank.mu.Unlock()
			})
		}
	}
}
