package tcp

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/transport/seal"
	"gridrun/internal/transport/transporttest"
)

// untilDown waits until the link to process p is down and returns why.
func untilDown(r *transporttest.Recorder, p int) error {
	r.Until("a link to be down", func() bool { return len(r.Downs(p)) > 0 })
	return r.Downs(p)[0]
}

// sealed gives every process of a mesh its seal.
func sealed(t testing.TB) func(*mesh, *Config) {
	return func(_ *mesh, c *Config) {
		c.Handshake = time.Minute // hundreds of handshakes at once, under the race detector
		var err error
		if c.Seal, err = seal.New(c.Job, c.Key, c.Proc); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSealedConformance(t *testing.T) {
	noGoroutineStays(t)
	transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
		return newMesh(t, sinks, func(m *mesh, c *Config) {
			m.undriven = true
			sealed(t)(m, c)
		}).polled
	})
}

// tap records what passes through a connection in both directions, and may
// change what is read.
type tap struct {
	net.Conn
	mu    sync.Mutex
	log   bytes.Buffer
	spoil bool
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.Write(b[:n])
	if c.spoil && n > 0 {
		b[n/2] ^= 4
	}
	return n, err
}

func (c *tap) set(spoil bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spoil = spoil
}

// On the path of a sealed connection no payload can be seen, and a changed byte
// ends it; on that of an open one both are possible, which shows that the test
// looks at the right place.
func TestOnThePath(t *testing.T) {
	secret := bytes.Repeat([]byte("the pressure at 850 hPa "), 100)
	noGoroutineStays(t)
	for _, open := range []bool{true, false} {
		recs, sinks := recorders(t, 2)
		var mu sync.Mutex
		var path *tap
		m := newMesh(t, sinks, func(m *mesh, c *Config) {
			m.wrap = func(_ int, dialed bool, c net.Conn) net.Conn {
				if dialed {
					return c
				}
				mu.Lock()
				defer mu.Unlock()
				path = &tap{Conn: c}
				return path
			}
			if !open {
				sealed(t)(m, c)
			}
		})
		m.nets[0].Link(1).Post(eager(0, secret))
		recs[1].UntilArrived(1)
		mu.Lock()
		tap := path
		mu.Unlock()
		tap.mu.Lock()
		seen := bytes.Contains(tap.log.Bytes(), secret[:24])
		tap.mu.Unlock()
		if seen != open {
			t.Errorf("open %v: payload seen %v", open, seen)
		}
		if open {
			continue
		}
		tap.set(true)
		m.nets[0].Link(1).Post(eager(1, secret))
		if err := untilDown(recs[1], 0); !strings.Contains(err.Error(), "bad record MAC") {
			t.Errorf("after a changed byte: %v", err)
		}
		if n := len(recs[1].Events(0)); n != 1 {
			t.Errorf("%d frames arrived, 1 was whole", n)
		}
	}
}

// A process that does not encrypt, and one with another job's certificates, are
// no peers.
func TestSealedOnly(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 3)
	m := newMesh(t, sinks, func(m *mesh, c *Config) {
		sealed(t)(m, c)
		c.Handshake = 2 * time.Second
		switch c.Proc {
		case 1:
			c.Seal = nil
		case 2:
			var err error
			if c.Seal, err = seal.New("another", c.Key, 2); err != nil {
				t.Fatal(err)
			}
		}
	})
	for p := 1; p < 3; p++ {
		m.nets[p].Link(0).Post(eager(0, nil))
		untilDown(recs[p], 0)
	}
	m.refusals(t, 2)
	if n := len(recs[0].Events(1)) + len(recs[0].Events(2)); n > 0 {
		t.Errorf("%d frames arrived", n)
	}
}

// Whoever takes another process's name within the job is found out: certificate
// and handshake must agree.
func TestSealedNames(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 3)
	m := newMesh(t, sinks, func(m *mesh, c *Config) {
		var err error
		if c.Seal, err = seal.New(c.Job, c.Key, c.Proc%2); err != nil { // process 2 shows 0's
			t.Fatal(err)
		}
	})
	m.nets[2].Link(1).Post(eager(0, nil))
	untilDown(recs[2], 1)
	if err := m.refusals(t, 1)[0]; !strings.Contains(err.Error(), "process 2 with the certificate of process 0") {
		t.Error(err)
	}
}

func TestWriteGathers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	c := newStream(b)
	defer c.close()
	var wg sync.WaitGroup
	var got []byte
	wg.Go(func() { got, _ = io.ReadAll(a) })
	iov := [][]byte{pattern(1, 72), pattern(2, 5000), pattern(3, 72), pattern(4, 40000), pattern(5, 1)}
	want := bytes.Join(iov, nil)
	for _, step := range []int{72 + 5000 + 72, 40000, 1} {
		n, err := c.write(iov, true)
		if n != step || err != nil {
			t.Fatalf("%d bytes at once, %v; want %d", n, err, step)
		}
		for n > 0 {
			n -= len(iov[0])
			iov = iov[1:]
		}
	}
	c.close()
	wg.Wait()
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d", len(got), len(want))
	}
}
