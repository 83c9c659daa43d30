package tcp

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/transport"
)

var errInjected = errors.New("injected fault")

// faults lets one read or write of a connection fail, and all that follow.
type faults struct {
	reads, writes       atomic.Int32
	failRead, failWrite int32 // counted from 1; 0: none
}

func (f *faults) hit() bool {
	return f.failRead > 0 && f.reads.Load() >= f.failRead || f.failWrite > 0 && f.writes.Load() >= f.failWrite
}

// faultConn is one end of a connection with faults. It keeps writev possible.
type faultConn struct {
	*net.TCPConn
	f *faults
}

func (c *faultConn) Read(b []byte) (int, error) {
	if i := c.f.reads.Add(1); i == c.f.failRead || c.f.hit() {
		return 0, errInjected
	}
	return c.TCPConn.Read(b)
}

func (c *faultConn) Write(b []byte) (int, error) {
	if i := c.f.writes.Add(1); i == c.f.failWrite {
		n, _ := c.TCPConn.Write(b[:len(b)/2])
		return n, errInjected
	} else if c.f.hit() {
		return 0, errInjected
	}
	return c.TCPConn.Write(b)
}

func (c *faultConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return &faultRaw{raw, c.f}, err
}

type faultRaw struct {
	syscall.RawConn
	f *faults
}

func (r *faultRaw) Write(try func(fd uintptr) bool) error {
	if i := r.f.writes.Add(1); i == r.f.failWrite || r.f.hit() {
		return errInjected
	}
	return r.RawConn.Write(try)
}

// plainConn has Read, Write and no descriptor: what Go writes without writev.
type plainConn struct{ net.Conn }

func (c plainConn) CloseWrite() error { return c.Conn.(*faultConn).CloseWrite() }

// The i-th read or write of either end fails, for every i over the handshake
// and a short exchange: the poster learns of it, nothing arrives twice or out
// of order, and nothing stays behind.
func TestFaultAtEveryStep(t *testing.T) {
	noGoroutineStays(t)
	for _, plain := range []bool{false, true} {
		for _, dialerFails := range []bool{true, false} {
			for _, write := range []bool{true, false} {
				name := fmt.Sprintf("plain=%t dialer=%t write=%t", plain, dialerFails, write)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					i := int32(1)
					for exchangeWithFault(t, fmt.Sprint("operation ", i), plain, dialerFails, write, i) && !t.Failed() {
						i++
					}
					if i < 4 {
						t.Errorf("only %d operations were made to fail", i-1)
					}
				})
			}
		}
	}
}

// exchangeWithFault returns false when the exchange ended before the fault.
func exchangeWithFault(t *testing.T, name string, plain, dialerFails, write bool, at int32) bool {
	f := new(faults)
	if write {
		f.failWrite = at
	} else {
		f.failRead = at
	}
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, func(m *mesh, c *Config) {
		c.Handshake = 2 * time.Second
		c.Close = 2 * time.Second
		m.wrap = func(_ int, dialed bool, c net.Conn) net.Conn {
			mine := new(faults)
			if dialed == dialerFails {
				mine = f
			}
			c = &faultConn{c.(*net.TCPConn), mine}
			if plain {
				c = plainConn{c}
			}
			return c
		}
	})
	const frames = 5
	posted := [2]int{frames, 0}
	answers := make(chan struct{})
	recs[1].Hook = hookSeq(func(seq int) {
		if seq == frames-1 {
			for k := range frames {
				m.nets[1].Link(0).Post(eager(k, pattern(k, 100)))
			}
			close(answers)
		}
	})
	for k := range frames {
		body := pattern(k, 40000*k)
		fr := eager(k, body)
		if k == 2 {
			fr = data(k, pattern(k, 2*pieceSize+5))
			fr.Seq = 2
		}
		m.nets[0].Link(1).Post(fr)
	}
	over := func() bool {
		a0, s0, _ := recs[0].Counts()
		_, s1, _ := recs[1].Counts()
		down := len(recs[0].Downs(1)) > 0
		return s0 == frames && (down || a0 == frames && s1 == frames)
	}
	eventually(t, name+": the exchange to end one way or the other", over)
	fired := f.hit()
	if _, _, failed := recs[0].Counts(); fired && failed == 0 && len(recs[0].Downs(1)) == 0 && len(recs[1].Downs(0)) == 0 {
		eventually(t, name+": the fault to surface", func() bool {
			return len(recs[0].Downs(1)) > 0 || len(recs[1].Downs(0)) > 0
		})
	}
	for _, err := range m.close() {
		if err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
	select {
	case <-answers:
		posted[1] = frames
	default:
	}
	for i, r := range recs {
		events := r.Events(1 - i)
		for k, e := range events {
			if int(e.Seq) != k {
				t.Errorf("%s: process %d: frame %d has number %d", name, i, k, e.Seq)
			}
		}
		if _, sent, failed := r.Counts(); sent != posted[i] || !fired && failed > 0 {
			t.Errorf("%s: process %d: %d of %d frames came back, %d failed", name, i, sent, posted[i], failed)
		}
		if d := r.Downs(1 - i); len(d) == 1 && !fired && !errors.Is(d[0], transport.ErrLeft) {
			t.Errorf("%s: process %d: Down without a fault: %v", name, i, d[0])
		}
	}
	return fired
}
