package procio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"

	"gridrun/internal/packet"
	"gridrun/internal/wire"
)

// A rankEnd is a process's end of its control socket.
type rankEnd struct {
	*packet.Conn
	fd int
}

// openControl returns both ends of a control socket, and what closes the process's.
func openControl(t testing.TB) (c *Control, r rankEnd, leave func()) {
	t.Helper()
	ours, theirs, err := controlPair()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = newControl(ours, new(sync.WaitGroup)); err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	leave = sync.OnceFunc(func() { conn.Close() })
	t.Cleanup(func() {
		c.Close()
		leave()
		c.wg.Wait()
	})
	return c, rankEnd{conn, theirs}, leave
}

func openFDs(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// More than the socket holds is queued, arrives in order and whole, and brings
// its descriptors.
func TestControlQueue(t *testing.T) {
	c, r, _ := openControl(t)
	const n = 200
	for i := range n {
		data, err := wire.Marshal(&wire.Gone{Ranks: []int{i}, Why: string(bytes.Repeat([]byte("x"), 5000))})
		if err != nil {
			t.Fatal(err)
		}
		k := Packet{Data: data}
		if i%50 == 7 {
			if k.FD, err = syscall.Dup(0); err != nil {
				t.Fatal(err)
			}
		}
		c.Send(k)
	}
	for i := range n {
		m, fd, err := r.Receive()
		gone, ok := m.(*wire.Gone)
		if err != nil || !ok || gone.Ranks[0] != i || len(gone.Why) != 5000 {
			t.Fatalf("packet %d: %T %v", i, m, err)
		}
		if (fd != nil) != (i%50 == 7) {
			t.Errorf("packet %d: descriptor %v", i, fd)
		}
		if fd != nil {
			fd.Close()
		}
	}
}

// Whether a process never reads, leaves, or the agent closes: no descriptor and
// no writer stays behind.
func TestControlDropsDescriptors(t *testing.T) {
	openControl(t) // and what Go's poller needs
	before := openFDs(t)
	for _, end := range []string{"close", "process leaves"} {
		c, r, leave := openControl(t)
		for range maxConns + 500 {
			fd, err := syscall.Dup(0)
			if err != nil {
				t.Fatal(err)
			}
			c.Send(Packet{Data: make([]byte, 4000), FD: fd})
		}
		if end == "process leaves" {
			syscall.Shutdown(r.fd, syscall.SHUT_RDWR)
		}
		if end == "close" {
			c.Close()
		}
		c.wg.Wait()
		c.Close()
		leave() // and what is in the socket
		c.Send(Packet{Data: []byte{1}})
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestControlReceive(t *testing.T) {
	c, r, _ := openControl(t)
	for _, b := range [][]byte{{0}, {255}, []byte("garbage"), bytes.Repeat([]byte{1}, 100000)} {
		if err := syscall.Sendmsg(r.fd, b, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Receive(); !errors.Is(err, wire.ErrControl) {
			t.Errorf("%.20q: got %T, %v", b, m, err)
		}
	}
	// Descriptors are not taken.
	before := openFDs(t)
	data, _ := wire.Marshal(&wire.Lookup{Proc: 4})
	if err := syscall.Sendmsg(r.fd, data, syscall.UnixRights(0, 1, 2), nil, 0); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Receive(); err != nil || m.(*wire.Lookup).Proc != 4 {
		t.Errorf("got %+v, %v", m, err)
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	syscall.Shutdown(r.fd, syscall.SHUT_WR)
	if _, err := c.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
