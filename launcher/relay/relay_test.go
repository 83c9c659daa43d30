package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
)

// Every host is reached once, by one that was reached before, nobody starts more
// than k, and the depth is as small as k allows.
func TestShape(t *testing.T) {
	for _, k := range []int{2, 3, 8, 16, 64} {
		for _, n := range []int{1, 2, 3, 5, 8, 93, 1000, 4001} {
			children, depth := map[int]int{}, map[int]int{Root: 0}
			deepest := 0
			for i := range n {
				p := Parent(i, k)
				if p >= i || p < Root {
					t.Fatalf("k=%d: the parent of %d is %d", k, i, p)
				}
				if children[p]++; children[p] > k {
					t.Fatalf("k=%d n=%d: %d has more than k children", k, n, p)
				}
				depth[i] = depth[p] + 1
				deepest = max(deepest, depth[i])
			}
			if got := Depth(n, k); got != deepest {
				t.Errorf("Depth(%d, %d) = %d, want %d", n, k, got, deepest)
			}
			full, room := 0, 1
			least := 0
			for full < n {
				room *= k
				full += room
				least++
			}
			if deepest != least {
				t.Errorf("n=%d k=%d: depth %d, %d is enough", n, k, deepest, least)
			}
		}
	}
	for _, c := range []struct{ i, k, parent int }{{0, 2, Root}, {1, 2, Root}, {2, 2, 0}, {3, 2, 0}, {4, 2, 1}, {5, 2, 1}, {6, 2, 2}, {92, 8, 10}} {
		if got := Parent(c.i, c.k); got != c.parent {
			t.Errorf("Parent(%d, %d) = %d, want %d", c.i, c.k, got, c.parent)
		}
	}
	if Depth(0, 4) != 0 {
		t.Error("nobody is at a depth")
	}
}

func messages() []*Message {
	return []*Message{
		{Dial: &Dial{ID: 3, Name: "a", Host: "a.b", User: "u", Port: 22, KeyAlias: "x", Addrs: []string{"10.0.0.1"}, Algorithms: []string{"ssh-ed25519"}, Connect: time.Second}},
		{Stage: &Stage{Name: "connecting", Limit: time.Second}},
		{HostKey: &HostKey{Addr: "10.0.0.1:22", Key: []byte{1, 2}}},
		{Keys: &Keys{Public: [][]byte{{1}, {2}}, Offered: []string{"f"}}},
		{Sign: &Sign{Key: 1, Algorithm: "a", Data: []byte("d"), Format: "f", Blob: []byte("b"), Rest: []byte("r"), Error: "e"}},
		{Exec: &Exec{Conn: 1, What: "c"}},
		{Subsystem: &Exec{Conn: 1, What: "sftp"}},
		{Push: &Push{Conn: 1, Dir: "/d", Files: []File{{"/p", "n", "h"}}}},
		{Progress: &Progress{Done: 1, Total: 2}},
		{Rest: &Rest{On: true}},
		{Done: &Done{Error: "e", Address: "a", Paths: []string{"p"}}},
	}
}

func TestMessages(t *testing.T) {
	var b bytes.Buffer
	for _, m := range messages() {
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	whole := bytes.Clone(b.Bytes())
	for _, want := range messages() {
		got, err := Read(&b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if _, err := Read(&b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	// Cut off anywhere: an error, never half a message.
	for n := range whole {
		r := bytes.NewReader(whole[:n])
		var err error
		for err == nil {
			_, err = Read(r)
		}
		if r.Len() > 0 {
			t.Fatalf("%d bytes: %d are left", n, r.Len())
		}
	}
	if _, err := Read(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0x7f})); !errors.Is(err, ErrProtocol) {
		t.Errorf("a long message: %v", err)
	}
	if err := Write(io.Discard, &Message{Sign: &Sign{Data: make([]byte, maxMessage)}}); !errors.Is(err, ErrProtocol) {
		t.Errorf("a long message: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range messages() {
		var b bytes.Buffer
		Write(&b, m)
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		m, err := Read(r)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if !reflect.DeepEqual(m, again) && !bytes.Contains(data, []byte{0xc0}) {
			t.Logf("%+v\n%+v", m, again)
		}
	})
}

type half struct {
	io.Reader
	io.Writer
}

func FuzzPipe(f *testing.F) {
	var b bytes.Buffer
	p := NewPipe(half{nil, &b})
	for _, k := range []Kind{Data, Said, End, Exit} {
		p.Send(k, []byte("some"))
		p.Send(k, nil)
	}
	f.Add(b.Bytes())
	f.Add([]byte{1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := NewPipe(half{bytes.NewReader(data), io.Discard})
		small := make([]byte, 3)
		read := 0
		for {
			kind, n, err := p.Receive(small)
			if read += n; read > len(data) {
				t.Fatal("more than there is")
			}
			if err != nil {
				return
			}
			if kind < Data || kind > Exit {
				t.Fatalf("kind %d", kind)
			}
		}
	})
}

// Frames of any length come as they went.
func TestPipe(t *testing.T) {
	for _, n := range []int{0, 1, MaxFrame - 1, MaxFrame, MaxFrame + 1, 3*MaxFrame + 7} {
		var b bytes.Buffer
		want := bytes.Repeat([]byte("gridrun"), n/7+1)[:n]
		if err := NewPipe(half{nil, &b}).Send(Data, want); err != nil {
			t.Fatal(err)
		}
		p := NewPipe(half{&b, nil})
		var got []byte
		part := make([]byte, 1000)
		for {
			kind, k, err := p.Receive(part)
			if err == io.EOF {
				break
			}
			if err != nil || kind != Data {
				t.Fatal(kind, err)
			}
			got = append(got, part[:k]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came as %d", n, len(got))
		}
	}
}

// pair is a session, and its two ends.
func pair(t *testing.T) (launcher, host *Session) {
	t.Helper()
	a, b := net.Pipe()
	launcher, err := Client(a, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	host, err = Server(b, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { launcher.Close(); host.Close() })
	return launcher, host
}

// A stream that nobody reads holds up no other, and bounds what waits.
func TestSlowStream(t *testing.T) {
	launcher, host := pair(t)
	slow, err := launcher.Open(&Message{Exec: &Exec{What: "slow"}})
	if err != nil {
		t.Fatal(err)
	}
	quick, err := launcher.Open(&Message{Exec: &Exec{What: "quick"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := host.Accept()
		if err != nil {
			t.Fatal(err)
		}
		m, err := Read(s)
		if err != nil {
			t.Fatal(err)
		}
		if m.Exec.What == "quick" {
			go io.Copy(s, s)
		}
	}
	sent := make(chan int)
	go func() {
		total := 0
		for {
			slow.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			n, err := slow.Write(make([]byte, 64<<10))
			if total += n; err != nil {
				sent <- total
				return
			}
		}
	}()
	for i := range 100 {
		want := fmt.Sprintf("line %d\n", i)
		if _, err := io.WriteString(quick, want); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(quick, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := <-sent; n == 0 || n > 1<<20 {
		t.Errorf("%d bytes went into a stream that nobody reads", n)
	}
}

// A launcher is an end of a connection that can be stopped: it then reads nothing
// and says nothing.
type stoppable struct {
	io.ReadWriteCloser
	stopped chan struct{} // holds a token while it is stopped
}

func (s *stoppable) Read(b []byte) (int, error) {
	n, err := s.ReadWriteCloser.Read(b)
	s.stopped <- struct{}{}
	<-s.stopped
	return n, err
}

// A relay bears the silence of a launcher that is stopped for as long as it was
// asked to, and of no other.
func TestRest(t *testing.T) {
	const patience = 60 * time.Millisecond
	a, b := net.Pipe()
	c := &stoppable{a, make(chan struct{}, 1)}
	mux, err := yamux.Client(c, config()) // no looks of its own: it is another process
	if err != nil {
		t.Fatal(err)
	}
	launcher := &Session{mux: mux}
	host, err := Server(b, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { launcher.Close(); host.Close() })
	go func() {
		for {
			stream, err := host.Accept()
			if err != nil {
				return
			}
			if m, err := Read(stream); err == nil && m.Rest != nil {
				host.Rest(m.Rest.On)
				Write(stream, &Message{Done: &Done{}})
			}
		}
	}()
	alive := func(when string) {
		t.Helper()
		select {
		case <-host.Done():
			t.Fatalf("%s: the relay has ended", when)
		case <-time.After(5 * patience): // were it to count, it would have ended by then
		}
	}
	alive("a launcher that answers")
	if err := launcher.AskRest(true, time.Minute); err != nil {
		t.Fatal(err)
	}
	c.stopped <- struct{}{}
	alive("a launcher that is stopped")
	<-c.stopped
	if err := launcher.AskRest(false, time.Minute); err != nil {
		t.Fatal(err)
	}
	alive("a launcher that goes on")
	c.stopped <- struct{}{}
	select {
	case <-host.Done():
	case <-time.After(time.Minute):
		t.Fatal("a launcher that is silent does not end the relay")
	}
	<-c.stopped
}

// A relay that does not answer is not waited for beyond the limit.
func TestAskRestOfADeafRelay(t *testing.T) {
	launcher, _ := pair(t)
	if err := launcher.AskRest(true, 10*time.Millisecond); err == nil {
		t.Error("an answer from nobody")
	}
}

// The end of the connection ends every stream at both ends.
func TestSessionEnds(t *testing.T) {
	launcher, host := pair(t)
	stream, err := launcher.Open(&Message{Dial: &Dial{}})
	if err != nil {
		t.Fatal(err)
	}
	there, err := host.Accept()
	if err != nil {
		t.Fatal(err)
	}
	host.Close()
	<-launcher.Done()
	if _, err := io.Copy(io.Discard, stream); err != nil {
		t.Log(err)
	}
	if _, err := there.Write([]byte("x")); err == nil {
		t.Error("a stream of a session that has ended takes something")
	}
	if _, err := launcher.Open(&Message{}); err == nil {
		t.Error("a session that has ended opens a stream")
	}
	if _, err := host.Accept(); err == nil {
		t.Error("a session that has ended accepts a stream")
	}
}
