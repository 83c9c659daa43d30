package agent

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"gridrun/internal/transport/tcp"
	"gridrun/internal/wire"
)

func TestService(t *testing.T) {
	ask := func(args ...string) wire.ProcSpec { return wire.ProcSpec{Job: "service", Args: args} }
	h := startHost(t, job(ask("hello", "again"), ask("x"), ask(), ask("y")))
	h.done()
	for proc, want := range []string{
		"\"rank 0 said hello\\n\"\n\"rank 0 said again\\n\"\n", "\"rank 1 said x\\n\"\n", "", "\"rank 3 said y\\n\"\n"} {
		if got := h.output(proc, false); got != want {
			t.Errorf("process %d: got %q, want %q", proc, got, want)
		}
	}
}

func TestServiceDies(t *testing.T) {
	h := startHost(t, job(wire.ProcSpec{Job: "service", Args: []string{"hello", "die", "until refused"}}))
	notice := await(h, anyOf[*wire.Notice])
	if !regexp.MustCompile(`^the host service of here \(pid \d+\) has ended: exit code 7$`).MatchString(notice.Text) {
		t.Errorf("notice %q", notice.Text)
	}
	h.done()
	out := h.output(0, false)
	if !strings.HasPrefix(out, "\"rank 0 said hello\\n\"\n") || !strings.HasSuffix(out, "refused: "+notice.Text+"\n") {
		t.Errorf("output %q", out)
	}
}

// The port is opened at the first Lookup; a connection that names a process
// reaches it, everybody else is turned away without a word.
func TestConn(t *testing.T) {
	s := job(wire.ProcSpec{Job: "lookup", Args: []string{"1", "2", "7", "-1"}}, wire.ProcSpec{Job: "answer"}, shell("read x"))
	s.Procs[2].Stdin = true
	s.Transport = "tcp"
	h := startHost(t, s)
	h.awaitOutput(0, "no process -1")
	out := strings.Split(h.output(0, false), "\n")
	var addr string
	if n, err := fmt.Sscanf(out[0], "1 at [%s", &addr); n != 1 || err != nil {
		t.Fatalf("no address in %q", out)
	}
	addr = strings.TrimSuffix(addr, "]")
	if out[1] != "2 at ["+addr+"]" || !strings.Contains(out[2], "no process 7") {
		t.Errorf("answers %q", out)
	}
	h.awaitOutput(1, "listening")

	for _, garbage := range [][]byte{
		[]byte("GET / HTTP/1.1\r\n\r\n"), []byte("GRT0\x01\x00\x00\x00"), tcp.Preamble(3), tcp.Preamble(1 << 31), make([]byte, 8), tcp.Preamble(1)[:7], nil,
	} {
		c := dial(t, addr)
		c.Write(garbage)
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(patient))
		if b, err := io.ReadAll(c); len(b) != 0 {
			t.Errorf("%q is answered %q, %v", garbage, b, err)
		}
		c.Close()
	}
	silent := dial(t, addr) // holds nobody up
	defer silent.Close()
	for i := range 3 {
		c := dial(t, addr)
		if i == 1 { // the preamble in pieces
			for _, b := range tcp.Preamble(1) {
				c.Write([]byte{b})
			}
		} else {
			c.Write(tcp.Preamble(1))
		}
		fmt.Fprintf(c, "call %d\n", i)
		c.SetReadDeadline(time.Now().Add(patient))
		if b, err := io.ReadAll(c); err != nil || string(b) != fmt.Sprintf("process 1 got call %d\n", i) {
			t.Errorf("call %d: %q, %v", i, b, err)
		}
		c.Close()
	}
	h.send(&wire.Input{Proc: 2})
	h.exit(2)
	gone := dial(t, addr)
	gone.Write(tcp.Preamble(2))
	gone.SetReadDeadline(time.Now().Add(patient))
	if b, _ := io.ReadAll(gone); len(b) != 0 {
		t.Errorf("a process that has ended answers %q", b)
	}
	gone.Close()
	h.send(&wire.Stop{Now: true})
	h.done()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Errorf("%s still listens", addr)
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A rank's wait table is read without its help.
func TestReport(t *testing.T) {
	h := startHost(t, job(wire.ProcSpec{Job: "wait"}, wire.ProcSpec{Job: "wait", Ranks: []int{1, 2}}))
	h.awaitOutput(0, "waiting")
	h.awaitOutput(1, "waiting")
	h.send(new(wire.Inspect))
	got := await(h, anyOf[*wire.Report]).Waits
	if len(got) != 3 {
		t.Fatalf("%d waits: %+v", len(got), got)
	}
	for i, w := range got {
		if w.Since < int64(time.Hour) || w.Since > int64(2*time.Hour) {
			t.Errorf("blocked for %v", time.Duration(w.Since))
		}
		w.Since = 0
		if want := (wire.Wait{Rank: i, Op: "Recv", Peer: i + 1, Tag: 5, Group: 9, Seq: 3}); w != want {
			t.Errorf("got %+v, want %+v", w, want)
		}
	}
	h.send(&wire.Stop{Now: true})
	h.done()
}
