package agent

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"

	"gridrun/internal/wire"
)

// openControl returns both ends of a control socket, and what closes the process's.
func openControl(t testing.TB) (c *control, r rankEnd, leave func()) {
	t.Helper()
	ours, theirs, err := controlPair()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = newControl(ours, new(sync.WaitGroup)); err != nil {
		t.Fatal(err)
	}
	leave = sync.OnceFunc(func() { syscall.Close(theirs) })
	t.Cleanup(func() {
		c.close()
		leave()
		c.wg.Wait()
	})
	return c, rankEnd{theirs}, leave
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
		k := packet{data: data}
		if i%50 == 7 {
			if k.fd, err = syscall.Dup(0); err != nil {
				t.Fatal(err)
			}
		}
		c.send(k)
	}
	for i := range n {
		m, fd, err := r.receive()
		gone, ok := m.(*wire.Gone)
		if err != nil || !ok || gone.Ranks[0] != i || len(gone.Why) != 5000 {
			t.Fatalf("packet %d: %T %v", i, m, err)
		}
		if (fd >= 0) != (i%50 == 7) {
			t.Errorf("packet %d: descriptor %d", i, fd)
		}
		if fd >= 0 {
			syscall.Close(fd)
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
			c.send(packet{make([]byte, 4000), fd})
		}
		if end == "process leaves" {
			syscall.Shutdown(r.fd, syscall.SHUT_RDWR)
		}
		if end == "close" {
			c.close()
		}
		c.wg.Wait()
		c.close()
		leave() // and what is in the socket
		c.send(packet{data: []byte{1}})
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
		if m, err := c.receive(); !errors.Is(err, wire.ErrControl) {
			t.Errorf("%.20q: got %T, %v", b, m, err)
		}
	}
	// Descriptors are not taken.
	before := openFDs(t)
	data, _ := wire.Marshal(&wire.Lookup{Proc: 4})
	if err := syscall.Sendmsg(r.fd, data, syscall.UnixRights(0, 1, 2), nil, 0); err != nil {
		t.Fatal(err)
	}
	if m, err := c.receive(); err != nil || m.(*wire.Lookup).Proc != 4 {
		t.Errorf("got %+v, %v", m, err)
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	syscall.Shutdown(r.fd, syscall.SHUT_WR)
	if _, err := c.receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// FuzzHeard has a process say anything to its agent.
func FuzzHeard(f *testing.F) {
	for _, m := range []wire.Message{&wire.Lookup{Proc: 0}, &wire.Lookup{Proc: 1}, &wire.Lookup{Proc: -1}, &wire.Lookup{Proc: -2}, &wire.Lookup{Proc: -1 << 63}, &wire.Service{Rank: 1}, &wire.Progress{Rank: 2},
		&wire.Failed{Failure: wire.Failure{Text: "x"}}, &wire.Stop{Now: true}, &wire.Welcome{}} {
		data, err := wire.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 100000 {
			return
		}
		c, r, _ := openControl(t)
		stream, err := wire.NewStream(new(bytes.Buffer), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		a := &agent{link: newLink(stream), quit: make(chan struct{}), byProc: map[int]*process{}, service: &service{failed: "none here"},
			located: map[int]*wire.Located{}, questions: map[int]map[question]bool{}}
		if err := a.adopt(&wire.Start{Procs: []wire.ProcSpec{{Ranks: []int{0}}}, Topology: wire.Topology{ProcHost: []int{0, 1}, Hosts: []string{"h", "g"}}}); err != nil {
			t.Fatal(err)
		}
		p := a.procs[0]
		p.state, p.control = running, c
		if err := syscall.Sendmsg(r.fd, data, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		m, err := c.receive()
		if err == nil {
			a.heard(p, m)
		} else if !errors.Is(err, wire.ErrControl) {
			t.Errorf("%q: %v", data, err)
		}
		close(a.quit)
		a.wg.Wait()
		c.wg.Wait()
		a.link.close(patient)
	})
}
