package tcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
	"gridrun/internal/wire"
)

func testKey(s string) []byte {
	k := sha256.Sum256([]byte(s))
	return k[:]
}

// A mesh is a job's processes behind one listening port, which passes
// connections on by the number (4 bytes) that they begin with.
type mesh struct {
	ln   net.Listener
	nets []*Net
	// polled are nets with their connections polled, by drivers unless the test
	// has set undriven. A test that sets readers has goroutines read them.
	polled            []transport.Network
	drivers           []*transporttest.Driver
	undriven, readers bool
	// wrap, when set, stands between a Net and its connections.
	wrap func(proc int, dialed bool, c net.Conn) net.Conn

	wg      sync.WaitGroup
	mu      sync.Mutex
	refused []error
}

// newMesh connects one process for each sink. It is closed, networks first,
// when the test ends.
func newMesh(t testing.TB, sinks []transport.Sink, change func(m *mesh, cfg *Config)) *mesh {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mesh{ln: ln}
	for i, s := range sinks {
		cfg := Config{
			Proc: i, Procs: len(sinks), Job: "job", Key: testKey("key"),
			Dial: func(ctx context.Context, proc int) (net.Conn, error) {
				c, err := dialFor(ctx, ln.Addr().String(), proc)
				if err == nil && m.wrap != nil {
					c = m.wrap(i, true, c)
				}
				return c, err
			},
			Refused: func(_ net.Addr, err error) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.refused = append(m.refused, err)
			},
		}
		if change != nil {
			change(m, &cfg)
		}
		n, err := Open(cfg, s)
		if err != nil {
			t.Fatal(err)
		}
		m.nets = append(m.nets, n)
		var net transport.Network = n
		var d *transporttest.Driver
		if !m.readers {
			net = n.Polled()
		}
		if p, ok := net.(transport.Poller); ok && !m.undriven {
			d = transporttest.Drive(p)
		}
		m.polled, m.drivers = append(m.polled, net), append(m.drivers, d)
	}
	m.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			m.wg.Go(func() { m.route(c) })
		}
	})
	t.Cleanup(func() { m.close() })
	return m
}

func (m *mesh) route(c net.Conn) {
	b := make([]byte, 4)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := io.ReadFull(c, b)
	p := int(binary.LittleEndian.Uint32(b))
	if err != nil || p >= len(m.nets) {
		c.Close()
		return
	}
	c.SetReadDeadline(time.Time{})
	if m.wrap != nil {
		c = m.wrap(p, false, c)
	}
	m.nets[p].Accepted(c)
}

// dialFor connects to a mesh and says for which process.
func dialFor(ctx context.Context, addr string, proc int) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		_, err = c.Write(binary.LittleEndian.AppendUint32(nil, uint32(proc)))
	}
	return c, err
}

// close closes all networks at once and joins what the mesh has started.
func (m *mesh) close() []error {
	errs := make([]error, len(m.nets))
	var wg sync.WaitGroup
	for i := range m.nets {
		wg.Go(func() { errs[i] = m.leave(i) })
	}
	wg.Wait()
	m.ln.Close()
	m.wg.Wait()
	return errs
}

// leave closes process i's network.
func (m *mesh) leave(i int) error {
	if d := m.drivers[i]; d != nil {
		d.Stop()
	}
	return m.nets[i].Close()
}

// refusals returns the reasons why connections were turned away, once there are n.
func (m *mesh) refusals(t testing.TB, n int) []error {
	t.Helper()
	var out []error
	eventually(t, fmt.Sprintf("%d refusals", n), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		out = append([]error(nil), m.refused...)
		return len(out) >= n
	})
	return out
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting for: %s\n%s", what, ourGoroutines())
		}
	}
}

// ourGoroutines returns the stacks of goroutines that run this package's code,
// without those of tests.
func ourGoroutines() string {
	var b bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&b, 2)
	var out []string
	for _, g := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(g, "transport/tcp.(*Net)") || strings.Contains(g, "transport/tcp.(*link)") {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}

// noGoroutineStays fails the test when a network's goroutine outlives it.
func noGoroutineStays(t testing.TB) {
	t.Cleanup(func() {
		eventually(t, "goroutines of closed networks to end", func() bool { return ourGoroutines() == "" })
	})
}

// recorders returns n sinks that record, and the same as sinks.
func recorders(t testing.TB, n int) ([]*transporttest.Recorder, []transport.Sink) {
	recs := make([]*transporttest.Recorder, n)
	sinks := make([]transport.Sink, n)
	for i := range recs {
		recs[i] = transporttest.NewRecorder(t)
		sinks[i] = recs[i]
	}
	return recs, sinks
}

func eager(seq int, body []byte) *transport.Frame {
	return &transport.Frame{
		Header: wire.Header{Kind: wire.Eager, Seq: uint32(seq), Len: uint64(len(body))},
		Body:   body,
	}
}

func data(recv int, body []byte) *transport.Frame {
	return &transport.Frame{
		Header: wire.Header{Kind: wire.Data, Recv: uint64(recv), Len: uint64(len(body))},
		Body:   body,
	}
}

// pattern is n bytes that differ by seed.
func pattern(seed, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed*31)
	}
	return b
}

// inOrder checks that from's frames are seq 0 to n-1.
func inOrder(t testing.TB, r *transporttest.Recorder, from, n int) {
	t.Helper()
	events := r.Events(from)
	if len(events) != n {
		t.Fatalf("%d frames from process %d, want %d", len(events), from, n)
	}
	for i, e := range events {
		if int(e.Seq) != i {
			t.Fatalf("frame %d from process %d has number %d", i, from, e.Seq)
		}
	}
}

// hookOnce makes the first event wait until open is closed. Only a reader that
// stands still may block; the network must stand it.
func hookOnce(first *bool, open <-chan struct{}) func(transporttest.Event) {
	return func(transporttest.Event) {
		if *first {
			*first = false
			<-open
		}
	}
}

func hookSeq(f func(seq int)) func(transporttest.Event) {
	return func(e transporttest.Event) { f(int(e.Seq)) }
}

// connPair returns the two ends of a connection, with deadlines that end tests
// that hang. Without descriptors left it panics.
func connPair() (a, b net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		panic(err)
	}
	if b, err = ln.Accept(); err != nil {
		panic(err)
	}
	a.SetDeadline(time.Now().Add(5 * time.Second))
	b.SetDeadline(time.Now().Add(5 * time.Second))
	return a, b
}
