package reach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/wire"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// testOwner answers "to<-from" on every connection it gets, then echoes.
type testOwner struct {
	wg    sync.WaitGroup
	admit func(to int) Status
	mu    sync.Mutex
	taken int
}

func (o *testOwner) Admit(to int) Status {
	if o.admit != nil {
		return o.admit(to)
	}
	return Here
}

func (o *testOwner) Take(to, from int, c *net.TCPConn) {
	o.mu.Lock()
	o.taken++
	o.mu.Unlock()
	o.wg.Go(func() {
		defer c.Close()
		fmt.Fprintf(c, "%d<-%d\n", to, from)
		io.Copy(c, c)
	})
}

// open opens a port that ends with the test.
func open(t testing.TB, cfg Config, owner *testOwner) *Port {
	t.Helper()
	p, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Serve(owner)
	t.Cleanup(func() { p.Close(); owner.wg.Wait() })
	return p
}

func config(host int) Config { return Config{Job: "j", Key: key(1), Host: host, Loopback: true} }

// settled fails the test when a goroutine outlives it.
func settled(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Fatalf("goroutines left:\n%s", buf[:runtime.Stack(buf, true)])
			}
		}
	})
}

// said checks who is at the other end, and that bytes pass.
func said(t *testing.T, c net.Conn, want string) {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, len(want)+1)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want+"\n" {
		t.Fatalf("%q %v, want %q", b, err, want)
	}
	echo := []byte("some bytes")
	c.Write(echo)
	if _, err := io.ReadFull(c, echo); err != nil || string(echo) != "some bytes" {
		t.Fatalf("echo %q %v", echo, err)
	}
}

func TestDial(t *testing.T) {
	settled(t)
	p := open(t, config(3), new(testOwner))
	d := NewDialer("j", key(1), 7, "a")
	for _, to := range []int{0, 5, Service(3)} {
		c, err := d.Dial(context.Background(), Target{to, 3, "b"}, p.Addrs())
		if err != nil {
			t.Fatal(err)
		}
		said(t, c, fmt.Sprintf("%d<-7", to))
	}
	c, err := NewDialer("j", key(1), Service(0), "a").Dial(context.Background(), Target{2, 3, "b"}, p.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	said(t, c, "2<--1")
}

// dead returns the address of a listener that treats connections as f does.
func dead(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); f(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// wrong is one address of every kind that is not the host's, and the reason
// that the dialer gives; "" for those that take all the time there is.
func wrong(t *testing.T) map[string]string {
	other := config(3)
	other.Job = "another"
	stolen := config(3)
	stolen.Key = key(2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return map[string]string{
		l.Addr().String():                                                                            "connection refused",
		open(t, other, new(testOwner)).Addrs()[0]:                                                    "closes the connection without an answer",
		open(t, stolen, new(testOwner)).Addrs()[0]:                                                   "does not know this job's key",
		open(t, config(4), new(testOwner)).Addrs()[0]:                                                "another host of this job (number 4) answers",
		dead(t, func(c net.Conn) { io.Copy(io.Discard, c) }):                                         "",
		dead(t, func(c net.Conn) { io.Copy(c, c) }):                                                  "",
		dead(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n"); io.Copy(io.Discard, c) }):     "no gridrun answers",
		dead(t, func(c net.Conn) { c.Write(append([]byte(magic), 9, 0, 0, 0)); io.Copy(c, c) }):      "another version of gridrun",
		dead(t, func(c net.Conn) { c.Write(opening(8)); c.Read(make([]byte, 8)) }):                   "",
		dead(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }):                                  "",
		dead(t, func(c net.Conn) { io.CopyN(io.Discard, c, askSize); c.Write(make([]byte, 1<<16)) }): "no gridrun answers",
		dead(t, func(c net.Conn) { io.CopyN(io.Discard, c, askSize); c.Write(opening(answerSize)) }): "",
	}
}

func TestRace(t *testing.T) {
	settled(t)
	right := open(t, config(3), new(testOwner)).Addrs()[0]
	var addrs []string
	for a := range wrong(t) {
		addrs = append(addrs, a)
	}
	addrs = append(addrs, right)
	d := NewDialer("j", key(1), 7, "a")
	c, err := d.Dial(context.Background(), Target{5, 3, "b"}, addrs)
	if err != nil {
		t.Fatal(err)
	}
	said(t, c, "5<-7")
	if got := d.order(3, addrs)[0]; got != right {
		t.Errorf("%s comes first, %s has won", got, right)
	}
	if got := d.order(4, addrs)[0]; got == right {
		t.Errorf("another host begins with %s", got)
	}
}

func TestReport(t *testing.T) {
	settled(t)
	d := NewDialer("j", key(1), 7, "a")
	var addrs []string
	bad := wrong(t)
	for a, why := range bad {
		if why != "" {
			addrs = append(addrs, a)
		}
	}
	_, err := d.Dial(context.Background(), Target{5, 3, "b"}, addrs)
	if err == nil {
		t.Fatal("connected")
	}
	text := err.Error()
	for _, part := range []string{"a cannot reach process 5 on b", "--net", "--port"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in: %s", part, text)
		}
	}
	for _, a := range addrs {
		_, rest, _ := strings.Cut(text, a+": ")
		if before, _, _ := strings.Cut(rest, "127.0.0.1:"); !strings.Contains(before, bad[a]) {
			t.Errorf("%s: want %q in %q", a, bad[a], before)
		}
	}
	if _, err := d.Dial(context.Background(), Target{-4, 3, "b"}, nil); err == nil || !strings.Contains(err.Error(), "the host service of b; tried it has no address") {
		t.Error(err)
	}
}

// A host that takes no notice costs no more than the caller's patience.
func TestDialEndsWithContext(t *testing.T) {
	settled(t)
	silent := dead(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the job ends")
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	_, err := NewDialer("j", key(1), 7, "a").Dial(ctx, Target{5, 3, "b"}, []string{silent})
	if !errors.Is(err, why) || !strings.Contains(err.Error(), silent+": no answer") {
		t.Fatal(err)
	}
}

// The owner's word is final: other addresses are not waited for.
func TestDenied(t *testing.T) {
	settled(t)
	for s := Ended; s <= Failed; s++ {
		owner := &testOwner{admit: func(int) Status { return s }}
		p := open(t, config(3), owner)
		silent := dead(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		_, err := NewDialer("j", key(1), 7, "a").Dial(context.Background(), Target{5, 3, "b"}, append(p.Addrs(), silent))
		if want := "a asked for process 5 on b: " + s.String(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if owner.taken > 0 {
			t.Error("it was passed on")
		}
	}
}

// Strangers get nothing, hold nothing up, and nothing of them is passed on.
func TestStrangers(t *testing.T) {
	settled(t)
	owner := new(testOwner)
	p := open(t, config(3), owner)
	j := newJob("j", key(1))
	right := ask{job: j.hash, from: 1, to: 2}
	for _, garbage := range [][]byte{
		nil, []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, askSize), bytes.Repeat([]byte{0xff}, 1<<12),
		right.encode()[:askSize-1], (&ask{from: 1, to: 2}).encode(), append([]byte("GRT2"), right.encode()[4:]...),
	} {
		c := raw(t, p)
		c.Write(garbage)
		c.CloseWrite()
		// Closing with unread garbage resets: an error is as good as an end.
		if b, _ := io.ReadAll(c); len(b) != 0 {
			t.Errorf("%q is answered %q", garbage, b)
		}
		c.Close()
	}
	// Another version gets our version, and nothing else.
	c := raw(t, p)
	c.Write(append([]byte(magic), 99, 0, 0, 0))
	c.CloseWrite()
	if b, err := io.ReadAll(c); err != nil || !bytes.Equal(b, opening(8)) {
		t.Errorf("another version is answered %q, %v", b, err)
	}
	c.Close()
	// An ask without the proof, and with a wrong one.
	for _, proof := range [][]byte{nil, make([]byte, proofSize), make([]byte, proofSize-1)} {
		c := raw(t, p)
		c.Write(append(right.encode(), proof...))
		c.CloseWrite()
		if b, _ := io.ReadAll(c); len(b) != answerSize {
			t.Errorf("%d bytes of answer, want %d", len(b), answerSize)
		}
		c.Close()
	}
	// More silent ones than a port holds.
	var silent []net.Conn
	for range maxStrangers + 40 {
		silent = append(silent, raw(t, p))
	}
	d := NewDialer("j", key(1), 7, "a")
	for range 3 {
		c, err := d.Dial(context.Background(), Target{5, 3, "b"}, p.Addrs())
		if err != nil {
			t.Fatal(err)
		}
		said(t, c, "5<-7")
	}
	p.mu.Lock()
	if n := len(p.strangers); n > maxStrangers {
		t.Errorf("%d strangers are held", n)
	}
	p.mu.Unlock()
	if owner.taken != 3 {
		t.Errorf("%d connections passed on, want 3", owner.taken)
	}
	for _, c := range silent {
		c.Close()
	}
}

// A recorded exchange opens nothing when it is played again.
func TestReplay(t *testing.T) {
	settled(t)
	owner := new(testOwner)
	p := open(t, config(3), owner)
	j := newJob("j", key(1))
	q := ask{job: j.hash, from: 1, to: 2, nonce: newNonce()}
	c := raw(t, p)
	c.Write(q.encode())
	a, err := j.readAnswer(c, &q)
	if err != nil {
		t.Fatal(err)
	}
	proof := j.mac("dialer", &q, &a)
	c.Write(proof)
	said(t, c, "2<-1")
	again := raw(t, p)
	again.Write(append(q.encode(), proof...))
	again.CloseWrite()
	if b, _ := io.ReadAll(again); len(b) != answerSize {
		t.Errorf("the replay got %d bytes", len(b))
	}
	again.Close()
	if owner.taken != 1 {
		t.Errorf("%d connections passed on", owner.taken)
	}
}

func raw(t testing.TB, p *Port) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

func TestChoose(t *testing.T) {
	have := []netip.Addr{}
	for _, s := range []string{"10.1.0.2", "fd00::2", "172.17.0.1", "127.0.0.1", "::1"} {
		have = append(have, netip.MustParseAddr(s))
	}
	for _, c := range []struct {
		cfg            Config
		have           []netip.Addr
		bind, announce string
	}{
		{Config{Loopback: true}, nil, "127.0.0.1", "127.0.0.1"},
		{Config{}, have, "", "10.1.0.2 fd00::2 172.17.0.1"},
		{Config{Loopback: true}, have, "127.0.0.1", "127.0.0.1"},
		{Config{Loopback: true}, have[4:], "::1", "::1"},
		{Config{}, have[3:], "", "127.0.0.1"},
		{Config{}, have[4:], "", "::1"},
		{Config{Net: []string{"10.0.0.0/8"}}, have, "10.1.0.2", "10.1.0.2"},
		{Config{Net: []string{"fd00::/8", "10.1.2.3/16"}}, have, "fd00::2 10.1.0.2", "fd00::2 10.1.0.2"},
		{Config{Net: []string{"10.0.0.0/8", "10.1.0.2/32"}, Loopback: true}, have, "10.1.0.2", "10.1.0.2"},
		{Config{Net: []string{"127.0.0.7/32"}}, have, "127.0.0.7", "127.0.0.7"},
		{Config{Net: []string{"10.9.0.0/16"}}, have, "", "no address of this host lies within --net 10.9.0.0/16; it has 10.1.0.2, fd00::2, 172.17.0.1, 127.0.0.1, ::1"},
		{Config{Net: []string{"eth0"}}, have, "", "--net eth0: not a network like 10.1.0.0/16 or fd00::/64"},
	} {
		bind, announce, err := choose(c.cfg, c.have)
		got := strings.Trim(strings.ReplaceAll(fmt.Sprint(announce), "[", ""), "]")
		if err != nil {
			got = err.Error()
		}
		if strings.Join(bind, " ") != c.bind || got != c.announce {
			t.Errorf("%+v: binds %q, announces %q; want %q, %q", c.cfg, bind, got, c.bind, c.announce)
		}
	}
}

func TestPortRange(t *testing.T) {
	settled(t)
	base := config(0)
	first := open(t, base, new(testOwner))
	port := first.listeners[0].Addr().(*net.TCPAddr).Port
	base.Ports = wire.PortRange{Lo: port, Hi: port}
	if _, err := Listen(base); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("--port %d-%d", port, port)) {
		t.Errorf("a taken range: %v", err)
	}
	base.Ports.Hi = min(port+100, 65535)
	second := open(t, base, new(testOwner))
	if got := second.listeners[0].Addr().(*net.TCPAddr).Port; got <= port || got > base.Ports.Hi {
		t.Errorf("port %d of %+v", got, base.Ports)
	}
	for _, r := range []wire.PortRange{{Lo: -1}, {Lo: 5, Hi: 4}, {Lo: 1, Hi: 70000}} {
		base.Ports = r
		if _, err := Listen(base); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
	// One number on several addresses, and on no other.
	several := Config{Job: "j", Key: key(1), Net: []string{"127.0.0.2/32", "127.0.0.3/32"}}
	p := open(t, several, new(testOwner))
	if len(p.Addrs()) != 2 || len(p.listeners) != 2 || p.Addrs()[0][len("127.0.0.2"):] != p.Addrs()[1][len("127.0.0.3"):] {
		t.Errorf("listens on %v", p.Addrs())
	}
	if c, err := net.Dial("tcp", "127.0.0.1"+p.Addrs()[0][len("127.0.0.2"):]); err == nil {
		c.Close()
		t.Error("it also listens on 127.0.0.1")
	}
}

// What anybody sends, the port passes nothing on and closes.
func FuzzPort(f *testing.F) {
	j := newJob("j", key(1))
	f.Add([]byte("garbage"))
	f.Add((&ask{job: j.hash, from: 1, to: 2}).encode())
	f.Add(append((&ask{job: j.hash, from: -1, to: -5}).encode(), make([]byte, proofSize)...))
	owner := new(testOwner)
	p := open(f, config(3), owner)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := raw(t, p)
		defer c.Close()
		c.Write(b)
		c.CloseWrite()
		io.Copy(io.Discard, c)
		owner.mu.Lock()
		defer owner.mu.Unlock()
		if owner.taken > 0 {
			t.Fatalf("%q is passed on", b)
		}
	})
}

type exchange struct {
	io.Reader
	io.Writer
}

// What anybody answers, the dialer believes it only with the key.
func FuzzAnswer(f *testing.F) {
	d := NewDialer("j", key(1), 7, "a")
	a := answer{status: Here, host: 3}
	q := ask{job: d.job.hash, from: 7, to: 5}
	f.Add(a.encode(d.job.mac("owner", &q, &a)))
	f.Add([]byte("SSH-2.0"))
	f.Add(opening(8))
	f.Fuzz(func(t *testing.T, b []byte) {
		if proof, err := d.ask(exchange{bytes.NewReader(b), io.Discard}, Target{5, 3, "b"}); err == nil {
			t.Fatalf("%q is believed: %x", b, proof)
		}
	})
}

// Bytes that were there in time count, however late we look.
func TestTardy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.SetDeadline(time.Unix(1, 0))
	in := tardy{b.(*net.TCPConn)}
	if n, err := in.Read(make([]byte, 4)); n != 0 || err == nil {
		t.Fatalf("%d bytes of a silent peer, %v", n, err)
	}
	b.SetDeadline(time.Unix(1, 0))
	a.Write([]byte("word"))
	if n, err := in.Read(make([]byte, 4)); n != 4 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
}
