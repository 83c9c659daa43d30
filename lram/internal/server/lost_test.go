package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/lram/internal/client"
)

// places finds the blocks of x that host keeps.
func (h *testHost) places(t *testing.T, host int) (blocks []int64) {
	t.Helper()
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	for _, house := range h.server.houses {
		for _, b := range house.shelf.byKey {
			for k := range b.grid.Blocks() {
				if house.home(b, k) == host {
					blocks = append(blocks, k)
				}
			}
		}
	}
	if len(blocks) < 2 {
		t.Fatalf("host %d keeps %v", host, blocks)
	}
	return blocks
}

func ignore(int, []byte, uint8) error { return nil }

// A home is lost: who needs it is told so, by name; what others keep is there as before. Nobody reads in its place.
func TestHomeLost(t *testing.T) {
	noGoroutines(t)
	ctx := context.Background()
	hs := startHosts(t, 3, manyStore)
	c, err := hs.list[0].rank(0, 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	number, _, err := c.Open(ctx, ref, small)
	if err != nil {
		t.Fatal(err)
	}
	all := [3][]int64{}
	for i := range all {
		all[i] = hs.list[0].places(t, i)
	}
	copied, gone := all[1][0], all[1][1:]
	if _, err := c.Get(ctx, number, []int64{copied, all[2][0]}, ignore); err != nil {
		t.Fatal(err)
	}
	hs.list[1].lose()
	if _, err := c.Get(ctx, number, []int64{copied, all[2][0], all[0][0]}, ignore); err != nil {
		t.Errorf("copies that are here: %v", err)
	}
	for _, k := range gone {
		for range 2 { // also the second time
			_, err := c.Get(ctx, number, []int64{k}, ignore)
			if !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), fmt.Sprintf("block %d is kept by host node1: ", k)) {
				t.Errorf("block %d of a lost host: %v", k, err)
			}
		}
	}
	k, err := c.Count(ctx)
	if err != nil || k.Decodes != 1 {
		t.Errorf("%+v, %v: host 0 reads what it does not keep", k, err)
	}
}

// brake holds back what comes from a host until it is let go.
type brake struct {
	net.Conn
	gate chan struct{}
	once sync.Once
	shut chan struct{}
}

func (b *brake) Read(p []byte) (int, error) {
	select {
	case <-b.gate:
	case <-b.shut:
	}
	return b.Conn.Read(p)
}

func (b *brake) Close() error {
	b.once.Do(func() { close(b.shut) })
	return b.Conn.Close()
}

// A home that does not answer delays those that need it, not what others keep; a reader that gives up is free at once, and the
// cache can be closed meanwhile.
func TestSlowHome(t *testing.T) {
	noGoroutines(t)
	ctx := context.Background()
	for _, end := range []string{"answers", "never answers"} {
		hs := startHosts(t, 3, manyStore)
		gate := make(chan struct{})
		c, err := hs.list[0].rank(0, 16<<20)
		if err != nil {
			t.Fatal(err)
		}
		number, _, err := c.Open(ctx, ref, small)
		if err != nil {
			t.Fatal(err)
		}
		// One of the others may have been asked already, to compare the file; its connection is up. Take the other.
		slow, quick := 1, 2
		hs.list[1].mu.Lock()
		if len(hs.list[1].conns) > 0 {
			slow, quick = 2, 1
		}
		hs.list[1].mu.Unlock()
		theirs := hs.list[0].places(t, slow)[0]
		hs.wrap = func(_, to int, conn net.Conn) net.Conn {
			if to == slow {
				return &brake{Conn: conn, gate: gate, shut: make(chan struct{})}
			}
			return conn
		}
		short, cancel := context.WithCancel(ctx)
		waiting := make(chan error, 2)
		go func() {
			_, err := c.Get(short, number, []int64{theirs}, ignore)
			waiting <- err
		}()
		if _, err := c.Get(ctx, number, []int64{hs.list[0].places(t, quick)[0], hs.list[0].places(t, 0)[0]}, ignore); err != nil {
			t.Errorf("beside a slow host: %v", err)
		}
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("a reader that gives up: %v", err)
		}
		if end == "answers" {
			go func() {
				_, err := c.Get(ctx, number, []int64{theirs}, ignore)
				waiting <- err
			}()
			close(gate)
			if err := <-waiting; err != nil {
				t.Errorf("a slow host: %v", err)
			}
		}
		c.Close()
	}
}

// flaw breaks a connection at the n-th read or write.
type flaw struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (f *flaw) step() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		f.Conn.Close()
		return errFault
	}
	return nil
}

func (f *flaw) Read(p []byte) (int, error) {
	if err := f.step(); err != nil {
		return 0, err
	}
	return f.Conn.Read(p)
}

func (f *flaw) Write(p []byte) (int, error) {
	if err := f.step(); err != nil {
		return 0, err
	}
	return f.Conn.Write(p)
}

// The connection breaks at the i-th read or write, for every i: an error that names the host, and the next read works again.
func TestPeerFaultAtEveryStep(t *testing.T) {
	noGoroutines(t)
	ctx := context.Background()
	for i := 0; ; i++ {
		if i > 200 {
			t.Fatal("no end")
		}
		hs := startHosts(t, 2, manyStore)
		var f *flaw
		hs.wrap = func(_, _ int, c net.Conn) net.Conn {
			if f != nil {
				return c // only the first breaks
			}
			f = &flaw{Conn: c, left: i}
			return f
		}
		c, err := hs.list[0].rank(0, 16<<20)
		if err != nil {
			t.Fatal(err)
		}
		life := func() error {
			number, _, err := c.Open(ctx, ref, small)
			if err != nil {
				return err
			}
			_, err = c.Get(ctx, number, []int64{0, 1, 2, 3, 4, 5, 6, 7}, ignore)
			return errors.Join(err, c.CloseArray(number))
		}
		broken := 0
		// A break may show late, and also to those who meet a block that was on its way; then all is well for good.
		deadline := time.Now().Add(time.Minute)
		for well := 0; well < 3; well++ {
			if err = life(); err != nil {
				well = -1
				broken++
				if !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "host node1: ") || time.Now().After(deadline) {
					t.Fatalf("breaks at %d: %v", i, err)
				}
			}
		}
		c.Close()
		f.mu.Lock()
		left := f.left
		f.mu.Unlock()
		if left > 0 {
			if broken > 0 {
				t.Errorf("nothing broke, and still: %v", err)
			}
			break
		}
	}
}
