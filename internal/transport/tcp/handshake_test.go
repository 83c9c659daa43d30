package tcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/wire"
)

// shake runs both ends of a handshake over a pipe.
func shake(dialer, acceptor identity, peer, procs int) (from int, derr, aerr error) {
	a, b := connPair()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer b.Close()
		if from, _, aerr = acceptor.accept(b, procs); aerr == nil {
			b.Write([]byte{byte(use)})
		}
	})
	proof, derr := dialer.challenge(a, peer, helloMagic)
	if derr == nil {
		_, derr = conclude(a, proof)
	}
	a.Close()
	wg.Wait()
	return from, derr, aerr
}

func TestHandshake(t *testing.T) {
	key, other := testKey("key"), testKey("other")
	tests := []struct {
		name             string
		dialer, acceptor identity
		peer             int
		derr, aerr       error // nil, or one that it must be
	}{
		{name: "fits", dialer: identity{"j", key, 1}, acceptor: identity{"j", key, 2}, peer: 2},
		{name: "other key", dialer: identity{"j", other, 1}, acceptor: identity{"j", key, 2}, peer: 2, derr: ErrAuth, aerr: io.ErrUnexpectedEOF},
		{name: "other job", dialer: identity{"k", key, 1}, acceptor: identity{"j", key, 2}, peer: 2, derr: ErrAuth, aerr: io.ErrUnexpectedEOF},
		{name: "wrong process", dialer: identity{"j", key, 1}, acceptor: identity{"j", key, 3}, peer: 2, derr: io.EOF, aerr: ErrAuth},
		{name: "itself", dialer: identity{"j", key, 2}, acceptor: identity{"j", key, 2}, peer: 2, derr: io.EOF, aerr: ErrAuth},
		{name: "no such process", dialer: identity{"j", key, 9}, acceptor: identity{"j", key, 2}, peer: 2, derr: io.EOF, aerr: ErrAuth},
	}
	for _, tt := range tests {
		from, derr, aerr := shake(tt.dialer, tt.acceptor, tt.peer, 5)
		if !errors.Is(derr, tt.derr) || !errors.Is(aerr, tt.aerr) {
			t.Errorf("%s: dialer %v, acceptor %v; want %v, %v", tt.name, derr, aerr, tt.derr, tt.aerr)
		}
		if aerr == nil && from != tt.dialer.proc {
			t.Errorf("%s: connection from %d, want %d", tt.name, from, tt.dialer.proc)
		}
	}
}

// Every bit of the dialer's and the acceptor's messages counts.
func TestHandshakeWithOneBitChanged(t *testing.T) {
	id := func(p int) *identity { return &identity{"j", testKey("key"), p} }
	for i := range helloSize + 32 {
		a, b := connPair()
		var wg sync.WaitGroup
		var aerr error
		wg.Go(func() {
			_, _, aerr = id(2).accept(b, 5)
			b.Close()
		})
		f := &flipConn{Conn: a, at: i}
		if proof, err := id(1).challenge(f, 2, helloMagic); err == nil {
			conclude(f, proof)
		}
		a.Close()
		wg.Wait()
		if aerr == nil {
			t.Fatalf("accepted with bit 0 of byte %d changed", i)
		}
	}
	for i := range challengeSize {
		a, b := connPair()
		var wg sync.WaitGroup
		wg.Go(func() {
			id(2).accept(&flipConn{Conn: b, at: i}, 5)
			b.Close()
		})
		if _, err := id(1).challenge(a, 2, helloMagic); err == nil {
			t.Fatalf("challenge taken with bit 0 of byte %d changed", i)
		}
		a.Close()
		wg.Wait()
	}
}

// flipConn changes bit 0 of the byte at of all that is written.
type flipConn struct {
	net.Conn
	at int
}

func (c *flipConn) Write(b []byte) (int, error) {
	d := bytes.Clone(b)
	if c.at >= 0 && c.at < len(d) {
		d[c.at] ^= 1
	}
	c.at -= len(d)
	return c.Conn.Write(d)
}

// otherVersion makes what is written come from another version.
type otherVersion struct{ net.Conn }

func (c otherVersion) Write(b []byte) (int, error) {
	if len(b) >= helloSize {
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint32(b[4:], wire.Version+1)
	}
	return c.Conn.Write(b)
}

func TestVersionMismatchIsTold(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, func(m *mesh, _ *Config) {
		m.wrap = func(_ int, dialed bool, c net.Conn) net.Conn {
			if dialed {
				// Their hello says another version, so they see ours as another one too.
				return answersVersion{otherVersion{c}}
			}
			return c
		}
	})
	m.nets[0].Link(1).Post(eager(0, nil))
	recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
	err := recs[0].Downs(1)[0]
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "built with another gridrun version") {
		t.Errorf("Down with %v, want ErrVersion", err)
	}
	if r := m.refusals(t, 1)[0]; !errors.Is(r, ErrVersion) {
		t.Errorf("refused with %v, want ErrVersion", r)
	}
}

// answersVersion turns the answer's version into one that the dialer, which
// plays the other version, does not have.
type answersVersion struct{ otherVersion }

func (c answersVersion) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n >= 8 && string(b[:4]) == challengeMagic {
		if v := binary.LittleEndian.Uint32(b[4:]); v != wire.Version {
			return n, errors.New("the answer does not say the acceptor's version")
		}
		binary.LittleEndian.PutUint32(b[4:], wire.Version-1)
	}
	return n, err
}

// Strangers of all sorts are refused and leave the job's traffic alone.
func TestStrangers(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	var recording bytes.Buffer
	var once sync.Once
	m := newMesh(t, sinks, func(m *mesh, c *Config) {
		c.Handshake = time.Second
		c.Pending = 8
		m.wrap = func(_ int, dialed bool, c net.Conn) net.Conn {
			if dialed {
				return c
			}
			var w io.Writer = io.Discard
			once.Do(func() { w = &recording })
			return &recordConn{c, w}
		}
	})
	m.nets[0].Link(1).Post(eager(0, []byte("hello")))
	recs[1].UntilArrived(1)
	recorded := bytes.Clone(recording.Bytes()) // a handshake and a frame

	open := func() net.Conn {
		c, err := dialFor(context.Background(), m.ln.Addr().String(), 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var mine nonce
	hello := opening(helloMagic, 0, 1, &mine)
	tests := []struct {
		name string
		do   func(c net.Conn)
	}{
		{"garbage", func(c net.Conn) { c.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 1000)) }},
		{"nothing and away", func(c net.Conn) { c.Close() }},
		{"silence", func(c net.Conn) {}},
		{"half a hello", func(c net.Conn) { c.Write(hello[:20]) }},
		{"replay", func(c net.Conn) { c.Write(recorded) }},
		{"reflection", func(c net.Conn) {
			// Its own challenge sent back as proof.
			c.Write(hello)
			b := make([]byte, challengeSize)
			io.ReadFull(c, b)
			c.Write(b[helloSize:])
		}},
		{"a frame instead of a proof", func(c net.Conn) {
			c.Write(hello)
			h := wire.Header{Kind: wire.Eager}
			b := make([]byte, wire.HeaderSize)
			h.Encode(b)
			c.Write(b)
		}},
	}
	for i, tt := range tests {
		c := open()
		tt.do(c)
		m.refusals(t, i+1)
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", tt.name)
		}
	}
	for i, err := range m.refusals(t, len(tests)) {
		if err == nil {
			t.Errorf("%s: refused without a reason", tests[i].name)
		}
	}
	if a, _, _ := recs[1].Counts(); a != 1 {
		t.Errorf("%d frames arrived, want 1: a stranger's was taken", a)
	}

	// A flood of silent connections does not keep a peer out.
	for range 100 {
		open()
	}
	eventually(t, "the flood to be cut", func() bool { return len(m.refusals(t, 0)) >= len(tests)+90 })
	m.nets[1].mu.Lock()
	if n := len(m.nets[1].pending); n > 8 {
		t.Errorf("%d unauthenticated connections are kept, the bound is 8", n)
	}
	m.nets[1].mu.Unlock()
	m.nets[0].Link(1).Post(eager(1, nil))
	recs[1].UntilArrived(2)
}

// A new link comes about during a flood.
func TestConnectDuringFlood(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, func(_ *mesh, c *Config) { c.Pending = 8 })
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var open []net.Conn
		for {
			select {
			case <-stop:
				for _, c := range open {
					c.Close()
				}
				return
			case <-time.After(100 * time.Microsecond):
			}
			if c, err := dialFor(context.Background(), m.ln.Addr().String(), 1); err == nil {
				open = append(open, c)
			}
			if len(open) > 200 {
				open[0].Close()
				open = open[1:]
			}
		}
	})
	m.refusals(t, 20)
	m.nets[0].Link(1).Post(eager(0, nil))
	recs[1].UntilArrived(1)
	close(stop)
	wg.Wait()
}

// recordConn keeps what is read.
type recordConn struct {
	net.Conn
	w io.Writer
}

func (c *recordConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.w.Write(b[:n])
	return n, err
}

// script is a connection on which the other end says what it says and ends.
type script struct{ in io.Reader }

func (s script) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s script) Write(b []byte) (int, error) { return len(b), nil }

func FuzzHandshake(f *testing.F) {
	f.Add([]byte{})
	f.Add(opening(helloMagic, 1, 2, new(nonce)))
	f.Add(append(opening(helloMagic, 1, 2, new(nonce)), make([]byte, 32)...))
	f.Add(append(opening(challengeMagic, 2, 1, new(nonce)), make([]byte, 33)...))
	f.Add([]byte("GRTh\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		if _, _, err := (&identity{"j", testKey("key"), 2}).accept(script{in}, 5); err == nil {
			t.Error("accepted a stranger")
		}
		if read := len(b) - in.Len(); read > helloSize+32 {
			t.Errorf("accept read %d bytes", read)
		}
		in.Reset(b)
		if _, err := (&identity{"j", testKey("key"), 1}).challenge(script{in}, 2, helloMagic); err == nil {
			t.Error("took a stranger for process 2")
		}
		if read := len(b) - in.Len(); read > challengeSize {
			t.Errorf("challenge read %d bytes", read)
		}
	})
}
