package seal

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func make2(t *testing.T, job string, k []byte, proc int) *Seal {
	t.Helper()
	s, err := New(job, k, proc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// recorder is a connection that keeps what goes through it, and may spoil it.
type recorder struct {
	net.Conn
	mu    sync.Mutex
	log   bytes.Buffer
	spoil func(b []byte)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.Write(b)
	if r.spoil != nil {
		b = bytes.Clone(b)
		r.spoil(b)
	}
	return r.Conn.Write(b)
}

func (r *recorder) setSpoil(f func([]byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoil = f
}

type ends struct {
	client, server *tls.Conn
	wire           *recorder // client to server
	peer           int
}

// connect seals a pair of connections; errors are those of client and server.
func connect(t *testing.T, from, to *Seal, want int) (e ends, client, server error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	s.SetDeadline(time.Now().Add(10 * time.Second))
	e.wire = &recorder{Conn: c}
	var wg sync.WaitGroup
	wg.Go(func() {
		if e.server, e.peer, server = to.Server(context.Background(), s); server != nil {
			s.Close()
		}
	})
	if e.client, client = from.Client(context.Background(), e.wire, want); client != nil {
		c.Close()
	}
	wg.Wait()
	return e, client, server
}

func TestNobodyElseReads(t *testing.T) {
	e, err1, err2 := connect(t, make2(t, "j", key(1), 4), make2(t, "j", key(1), Service0), Service0)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if e.peer != 4 {
		t.Errorf("the server sees process %d", e.peer)
	}
	secret := []byte("the payload that nobody sees")
	if _, err := e.client.Write(secret); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(secret))
	if _, err := io.ReadFull(e.server, got); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("%q %v", got, err)
	}
	if e.wire.log.Len() < 500 || bytes.Contains(e.wire.log.Bytes(), secret[:8]) {
		t.Errorf("%d bytes on the wire, with the payload in clear", e.wire.log.Len())
	}
}

// Service0 is the number of host 0's service.
const Service0 = -1

func TestChangedByte(t *testing.T) {
	e, err1, err2 := connect(t, make2(t, "j", key(1), 0), make2(t, "j", key(1), 1), 1)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	e.wire.setSpoil(func(b []byte) { b[len(b)/2] ^= 1 })
	if _, err := e.client.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
		t.Fatal(err)
	}
	n, err := e.server.Read(make([]byte, 2000))
	if n != 0 || err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	good := func(p int) *Seal { return make2(t, "j", key(1), p) }
	for name, c := range map[string]struct{ from, to *Seal }{
		"another key":        {make2(t, "j", key(2), 0), good(1)},
		"another job":        {make2(t, "k", key(1), 0), good(1)},
		"another process":    {good(0), good(2)},
		"a service":          {good(0), good(-2)},
		"server of no group": {good(0), make2(t, "j", key(3), 1)},
	} {
		e, err1, err2 := connect(t, c.from, c.to, 1)
		if err1 == nil { // a client learns of its refusal when it reads
			_, err1 = e.client.Read(make([]byte, 1))
		}
		if err1 == nil || err2 == nil {
			t.Errorf("%s: client %v, server %v", name, err1, err2)
		}
	}
}

func TestNames(t *testing.T) {
	for _, p := range []int{0, 1, 92, 1<<31 - 1, -1, -17, -1 << 31} {
		if got, ok := number(name(p)); got != p || !ok {
			t.Errorf("%d is %q is %d, %v", p, name(p), got, ok)
		}
	}
	for _, s := range []string{"", "process", "process1", "process-1.gridrun", "host.gridrun", "xprocess1.gridrun", "process99999999999.gridrun"} {
		if n, ok := number(s); ok {
			t.Errorf("%q is %d", s, n)
		}
	}
}
