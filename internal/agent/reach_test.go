package agent

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridrun/internal/transport/reach"
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

// What the service died of is said also when the job is stopped because of it
// before it can be reaped.
func TestServiceDiesLate(t *testing.T) {
	h := startHost(t, job(wire.ProcSpec{Job: "service", Args: []string{"die slowly", "until refused"}}))
	h.awaitOutput(0, "\"\"\n") // the end of the rank's connection
	h.send(&wire.Stop{})
	notice := await(h, anyOf[*wire.Notice])
	if !strings.HasSuffix(notice.Text, "has ended: exit code 7") {
		t.Errorf("notice %q", notice.Text)
	}
	h.done()
}

// The port is told with Ready; a connection that names a process reaches it,
// everybody else is turned away.
func TestConn(t *testing.T) {
	s := job(wire.ProcSpec{Job: "lookup", Args: []string{"1", "2", "7", "-1", "-2"}}, wire.ProcSpec{Job: "answer"}, shell("read x"))
	s.Procs[2].Stdin = true
	s.Transport = "tcp"
	h := startHost(t, s)
	addrs := await(h, anyOf[*wire.Ready]).Addrs
	if len(addrs) != 1 || !strings.HasPrefix(addrs[0], "127.0.0.1:") {
		t.Fatalf("the agent listens on %v", addrs)
	}
	h.awaitOutput(0, "no process -2")
	out := strings.Split(h.output(0, false), "\n")
	for i, proc := range []int{1, 2, 7, -1} {
		want := fmt.Sprintf("%d at %v", proc, addrs)
		if proc == 7 {
			want = "the job has no process 7, only 0 to 2, and -1 to -1 for the services of its hosts"
		}
		if out[i] != want {
			t.Errorf("looking up %d: %q, want %q", proc, out[i], want)
		}
	}
	h.awaitOutput(1, "listening")

	for _, garbage := range [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 40), nil} {
		c := dial(t, addrs[0])
		c.Write(garbage)
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(patient))
		if b, err := io.ReadAll(c); len(b) != 0 {
			t.Errorf("%q is answered %q, %v", garbage, b, err)
		}
		c.Close()
	}
	silent := dial(t, addrs[0]) // holds nobody up
	defer silent.Close()
	ask := func(proc int) (string, error) {
		d := reach.NewDialer("test", s.Key, 0, "here")
		c, err := d.Dial(t.Context(), reach.Target{Proc: proc, Host: 0, Name: "here"}, addrs)
		if err != nil {
			return "", err
		}
		defer c.Close()
		fmt.Fprintf(c, "call %d\n", proc)
		c.SetReadDeadline(time.Now().Add(patient))
		b, err := io.ReadAll(c)
		return string(b), err
	}
	for range 3 {
		if got, err := ask(1); err != nil || got != "process 1 got call 1 from 0\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := ask(-1); err != nil || got != "service -1 got call -1 from 0\n" {
		t.Errorf("the host service, which nobody has needed so far: %q, %v", got, err)
	}
	h.send(&wire.Input{Proc: 2})
	h.exit(2)
	for proc, want := range map[int]string{2: "here asked for process 2 on here: has ended", 3: "here asked for process 3 on here: not on that host", -2: "here asked for the host service of here: not on that host"} {
		if got, err := ask(proc); err == nil || err.Error() != want {
			t.Errorf("%q, %v; want %s", got, err, want)
		}
	}
	h.send(&wire.Stop{Now: true})
	h.done()
	if c, err := net.Dial("tcp", addrs[0]); err == nil {
		c.Close()
		t.Errorf("%s still listens", addrs[0])
	}
}

// pair is a job on two hosts, whose agents both run here. ranks says what runs
// on each host, one process a line.
func pair(ranks ...[]wire.ProcSpec) []*wire.Start {
	var starts []*wire.Start
	var topo wire.Topology
	for h, procs := range ranks {
		s := &wire.Start{Host: h, Grace: int64(patient), Net: []string{fmt.Sprintf("127.0.0.%d/32", 2+h)}}
		for _, p := range procs {
			p.Proc = len(topo.ProcHost)
			p.Ranks = []int{p.Proc}
			topo.RankProc, topo.RankApp, topo.ProcHost = append(topo.RankProc, p.Proc), append(topo.RankApp, 0), append(topo.ProcHost, h)
			s.Procs = append(s.Procs, p)
		}
		topo.Hosts = append(topo.Hosts, string(rune('a'+h)))
		starts = append(starts, s)
	}
	for _, s := range starts {
		s.Topology = topo
	}
	return starts
}

// The way between hosts: the launcher is asked once a host, however many ask,
// and when it likes to answer.
func TestTwoHosts(t *testing.T) {
	calls := wire.ProcSpec{Job: "call", Args: []string{"2", "3", "-2", "2", "-1"}}
	starts := pair([]wire.ProcSpec{calls, calls}, []wire.ProcSpec{{Job: "answer"}, shell("exit 0"), {Job: "service", Args: []string{"where"}}})
	a, b := startHost(t, starts[0]), startHost(t, starts[1])
	if at := await(a, anyOf[*wire.Locate]); at.Host != 1 {
		t.Fatalf("asked for host %d", at.Host)
	}
	addrs := await(b, anyOf[*wire.Ready]).Addrs
	if len(addrs) != 1 || !strings.HasPrefix(addrs[0], "127.0.0.3:") {
		t.Fatalf("b listens on %v", addrs)
	}
	b.exit(3)
	stranger := dead(t) // listens, and is silent
	a.send(&wire.Located{Host: 1, Name: "b", Addrs: append([]string{stranger}, addrs...)})
	own := await(a, anyOf[*wire.Ready]).Addrs[0]
	for proc := range 2 {
		a.exit(proc)
		want := fmt.Sprintf(`2: "process 2 got hello from %[1]d\n" <nil>
3: "" a asked for process 3 on b: has ended
-2: "service -2 got hello from %[1]d\n" <nil>
2: "process 2 got hello from %[1]d\n" <nil>
-1: "service -1 got hello from %[1]d\n" <nil>
`, proc)
		if got := a.output(proc, false); got != want {
			t.Errorf("process %d:\n%swant\n%s(a is at %s)", proc, got, want, own)
		}
	}
	// a's own processes have ended, those of b may still need a's service.
	c, err := reach.NewDialer("test", starts[0].Key, reach.Service(1), "b").Dial(t.Context(), reach.Target{Proc: reach.Service(0), Host: 0, Name: "a"}, []string{own})
	if err != nil {
		t.Fatalf("the service of a host without processes: %v", err)
	}
	c.Close()
	a.send(&wire.Gone{Ranks: []int{2, 3}, Finished: true})
	a.send(&wire.Gone{Ranks: []int{4}, Finished: true})
	a.done()
	n := 0
	a.mu.Lock()
	for _, m := range a.log {
		if _, is := m.(*wire.Locate); is {
			n++
		}
	}
	a.mu.Unlock()
	if n != 1 {
		t.Errorf("the launcher was asked %d times", n)
	}
	b.exit(4)
	if got := b.output(4, false); !strings.Contains(got, "Addrs:["+addrs[0]+"]") || !strings.Contains(got, "Host:b") {
		t.Errorf("the host service learnt %s", got)
	}
	b.send(&wire.Stop{Now: true})
	b.done()
}

func dead(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A host that is lost is an answer too.
func TestLocatedError(t *testing.T) {
	const why = "host b is lost"
	for _, m := range []wire.Message{&wire.Located{Host: 1, Error: why}, &wire.Gone{Ranks: []int{1}, Why: why, Lost: 2}} {
		starts := pair([]wire.ProcSpec{{Job: "call", Args: []string{"1", "1"}}}, []wire.ProcSpec{{Job: "answer"}})
		a := startHost(t, starts[0])
		await(a, anyOf[*wire.Locate])
		a.send(m)
		a.done()
		if got := a.output(0, false); got != "1: \"\" host b is lost\n1: \"\" host b is lost\n" {
			t.Errorf("%T: %q", m, got)
		}
	}
}

// Two agents that want the same only port: the second one says what to do.
func TestPortTaken(t *testing.T) {
	first := job(shell("read x"))
	first.Procs[0].Stdin = true
	first.Transport = "tcp"
	h := startHost(t, first)
	_, text, _ := net.SplitHostPort(await(h, anyOf[*wire.Ready]).Addrs[0])
	port, _ := strconv.Atoi(text)
	second := job(shell("read x"))
	second.Transport, second.Ports = "tcp", wire.PortRange{Lo: port, Hi: port}
	g := startHost(t, second)
	trouble := await(g, anyOf[*wire.Trouble])
	if !strings.Contains(trouble.Text, "--port "+text+"-"+text+" is taken") {
		t.Errorf("%+v", trouble)
	}
	h.send(&wire.Input{Proc: 0})
	h.exit(0)
	h.done()
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
	h.send(&wire.Inspect{Seq: 7, Deep: true})
	report := await(h, anyOf[*wire.Report])
	if report.Seq != 7 || report.Span < int64(watch) || len(report.Procs) != 2 {
		t.Fatalf("%+v", report)
	}
	got := report.Waits
	if len(got) != 3 {
		t.Fatalf("%d waits: %+v", len(got), got)
	}
	for i, w := range got {
		if w.Since < int64(time.Hour) || w.Since > int64(2*time.Hour) {
			t.Errorf("blocked for %v", time.Duration(w.Since))
		}
		w.Since = 0
		if want := (wire.Wait{Rank: i, Op: "Recv", Peer: i + 1, Tag: 5, Group: 9, Seq: 3, Root: 2, Count: 10, Elem: 4, Members: 3}); w != want {
			t.Errorf("got %+v, want %+v", w, want)
		}
	}
	h.send(&wire.Stop{Now: true})
	h.done()
}
