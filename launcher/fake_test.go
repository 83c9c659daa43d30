package launcher

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
)

// fake is an agents.Starter whose agent is a function in this process.
type fake struct {
	t *testing.T
	// play is the agent: it has received Start. When it returns, its stream ends.
	play func(a *fakeAgent)
	// mangle, when set, replaces the agent's side of the connection.
	mangle func(w io.Writer) io.Writer
}

type fakeAgent struct {
	t      *testing.T
	stream *wire.Stream
	start  *wire.Start
}

// fakeConn is the launcher's end.
type fakeConn struct {
	io.Reader
	io.Writer
	kill func()
	done chan struct{}
}

func (c *fakeConn) Kill() { c.kill() }
func (c *fakeConn) Wait() error {
	<-c.done
	return c.Reader.(*os.File).Close()
}

func (f *fake) Start(context.Context, place.Host) (agents.Agent, error) {
	inR, inW, err := os.Pipe() // launcher to agent
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe() // agent to launcher
	if err != nil {
		return nil, err
	}
	c := &fakeConn{Reader: outR, Writer: inW, done: make(chan struct{})}
	c.kill = func() {
		inW.Close()
		inR.Close()
		outW.Close()
	}
	go func() {
		defer close(c.done)
		defer c.kill()
		var w io.Writer = outW
		if f.mangle != nil {
			w = f.mangle(outW)
		}
		s, err := wire.NewStream(inR, w)
		if err != nil || s.Open() != nil {
			return
		}
		if m, err := s.Receive(); err == nil {
			f.play(&fakeAgent{f.t, s, m.(*wire.Start)})
		}
	}()
	return c, nil
}

func (a *fakeAgent) say(messages ...wire.Message) bool {
	for _, m := range messages {
		if a.stream.Send(m) != nil {
			return false
		}
	}
	return true
}

// settle returns when the launcher has taken all that the agent has said.
func (a *fakeAgent) settle() {
	a.say(&wire.Locate{Host: 0})
	if m, ok := a.hear().(*wire.Located); !ok {
		a.t.Errorf("heard %+v, want Located", m)
	}
}

func (a *fakeAgent) ready() bool {
	if !a.say(&wire.Ready{Version: wire.Version, Host: "fake", Pid: 1}) {
		return false
	}
	for _, p := range a.start.Procs {
		if !a.say(&wire.Started{Proc: p.Proc, Pid: 1000 + p.Proc}) {
			return false
		}
	}
	return true
}

// hear returns the launcher's next message, nil at the end.
func (a *fakeAgent) hear() wire.Message {
	m, err := a.stream.Receive()
	if err != nil {
		return nil
	}
	return m
}

// finish ends every process with e's code or signal, and the agent.
func (a *fakeAgent) finish(e wire.Exit) {
	for _, p := range a.start.Procs {
		e.Proc = p.Proc
		if !a.say(&wire.Output{Proc: p.Proc, EOF: true}, &wire.Output{Proc: p.Proc, Stderr: true, EOF: true}, &e) {
			return
		}
	}
	a.say(&wire.Done{})
}

// jobOf prepares a job of np ranks; /bin/true is never started.
func jobOf(t *testing.T, np int, change func(*Spec)) *Job {
	t.Helper()
	s := Spec{Apps: []App{{NP: np, Command: []string{"/bin/true", "arg"}}}}
	if change != nil {
		change(&s)
	}
	j, err := Prepare(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	j.Notices = nil
	return j
}

type result struct {
	code        int
	out, errOut string
}

// runFake runs job against the fake agent and checks that nothing stays behind.
func runFake(t *testing.T, job *Job, f *fake, change func(*IO)) result {
	t.Helper()
	return runStarter(t, job, f, f, change)
}

// runStarter is runFake with a starter that f is a part of.
func runStarter(t *testing.T, job *Job, f *fake, starter agents.Starter, change func(*IO)) result {
	t.Helper()
	f.t = t
	before := runtime.NumGoroutine()
	var out, errOut buffer
	io := IO{Stdout: &out, Stderr: &errOut}
	if change != nil {
		change(&io)
	}
	code := make(chan int, 1)
	go func() { code <- job.Run(context.Background(), starter, io) }()
	select {
	case c := <-code:
		settled(t, before)
		return result{c, out.String(), errOut.String()}
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("the job does not end:\n%s", buf[:runtime.Stack(buf, true)])
		return result{}
	}
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("goroutines left behind:\n%s", buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestRunOutputAndPlan(t *testing.T) {
	job := jobOf(t, 3, func(s *Spec) { s.Apps[0].Env = []string{"A=b"}; s.TagOutput = true })
	got := runFake(t, job, &fake{play: func(a *fakeAgent) {
		if len(a.start.Procs) != 3 || !a.start.Procs[0].Stdin || a.start.Procs[1].Stdin || a.start.Procs[2].Env[0] != "A=b" ||
			len(a.start.Key) != 32 || a.start.Procs[1].Args[0] != "arg" || a.start.Grace != int64(DefaultGrace) || len(a.start.Topology.RankProc) != 3 {
			t.Errorf("Start %+v", a.start)
		}
		a.ready()
		a.say(&wire.Output{Proc: 1, Data: []byte("half ")}, &wire.Output{Proc: 0, Data: []byte("zero\n")},
			&wire.Output{Proc: 1, Data: []byte("one\nrest")}, &wire.Output{Proc: 2, Stderr: true, Data: []byte("oops\n")})
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = devNull(t) })
	if got.code != 0 || got.out != "[0] zero\n[1] half one\n[1] rest\n" || got.errOut != "[2]<stderr> oops\n" {
		t.Errorf("%+v", got)
	}
}

func TestRunFailure(t *testing.T) {
	got := runFake(t, jobOf(t, 2, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		a.say(&wire.Exit{Proc: 1, Signal: 9})
		if m, ok := a.hear().(*wire.Stop); !ok || m.Cause.Rank != 1 || m.Cause.Code != 137 {
			t.Errorf("heard %+v, want Stop", m)
		}
		a.finish(wire.Exit{Signal: 15, Stop: true})
	}}, nil)
	if got.code != 137 || !strings.HasSuffix(got.errOut, "pid 1001) was killed by signal 9 (SIGKILL); 1 other rank stopped\n") {
		t.Errorf("%+v", got)
	}
}

func TestRunSignals(t *testing.T) {
	signals := make(chan os.Signal, 4)
	got := runFake(t, jobOf(t, 1, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		signals <- syscall.SIGUSR1
		if m, ok := a.hear().(*wire.Signal); !ok || m.Signal != int(syscall.SIGUSR1) {
			t.Errorf("heard %+v after SIGUSR1", m)
		}
		signals <- syscall.SIGINT
		if m, ok := a.hear().(*wire.Stop); !ok || m.Signal != int(syscall.SIGINT) || m.Now {
			t.Errorf("heard %+v after SIGINT", m)
		}
		signals <- syscall.SIGINT
		if m, ok := a.hear().(*wire.Stop); !ok || !m.Now {
			t.Errorf("heard %+v after the second SIGINT", m)
		}
		a.finish(wire.Exit{Signal: 9, Stop: true})
	}}, func(io *IO) { io.Signals = signals })
	if got.code != 130 || got.errOut != "gridrun: ended by SIGINT; 1 rank stopped\n" {
		t.Errorf("%+v", got)
	}
}

func TestRunTimeout(t *testing.T) {
	got := runFake(t, jobOf(t, 2, func(s *Spec) { s.Timeout = 500 * time.Millisecond }), &fake{play: func(a *fakeAgent) {
		a.ready()
		m, ok := a.hear().(*wire.Inspect)
		if !ok || !m.Deep {
			t.Errorf("heard %+v, want Inspect", m)
			return
		}
		a.say(&wire.Report{Seq: m.Seq, Waits: []wire.Wait{{Rank: 0, Op: "Recv", Peer: 1, Tag: 3, Since: 1e9}, {Rank: 1, Op: "Recv", Peer: 0, Tag: 3, Since: 2e9}}})
		a.hear()
		a.finish(wire.Exit{Signal: 15, Stop: true})
	}}, nil)
	if got.code != 124 || !strings.Contains(got.errOut, "gridrun: ranks 0 -> 1 -> 0 wait for each other: Recv, tag 3\n  rank 0  Recv from rank 1, tag 3, for 1s\n") {
		t.Errorf("%d\n%s", got.code, got.errOut)
	}
}

// TestRunBlockedOutput: nobody reads standard output, yet signals pass.
func TestRunBlockedOutput(t *testing.T) {
	r, w := io.Pipe()
	signals := make(chan os.Signal, 1)
	data := bytes.Repeat([]byte("line of output\n"), 1000)
	read := make(chan []byte, 1)
	got := runFake(t, jobOf(t, 1, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		a.say(&wire.Output{Proc: 0, Data: data})
		a.settle()
		signals <- syscall.SIGQUIT
		m, ok := a.hear().(*wire.Inspect)
		if !ok {
			t.Errorf("heard %+v, want Inspect", m)
			return
		}
		a.say(&wire.Report{Seq: m.Seq})
		go func() {
			all, _ := io.ReadAll(io.LimitReader(r, int64(len(data))))
			read <- all
		}()
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdout, io.Signals = w, signals })
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if all := <-read; !bytes.Equal(all, data) {
		t.Errorf("%d bytes of %d", len(all), len(data))
	}
}

// TestRunCredit sends more than the window and must get all of it back but what
// the launcher may keep for later.
func TestRunCredit(t *testing.T) {
	const total = 3 << 20
	piece := bytes.Repeat([]byte("0123456789abcde\n"), 2048)
	got := runFake(t, jobOf(t, 2, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		credit := 1 << 20
		for sent := 0; sent < total; sent += len(piece) {
			for credit < len(piece) {
				m, ok := a.hear().(*wire.Grant)
				if !ok {
					t.Errorf("heard %+v, want Grant", m)
					return
				}
				credit += m.N
			}
			credit -= len(piece)
			if !a.say(&wire.Output{Proc: 1, Data: bytes.Clone(piece)}) {
				return
			}
		}
		a.finish(wire.Exit{})
	}}, nil)
	if got.code != 0 || len(got.out) != total {
		t.Errorf("code %d, %d bytes: %s", got.code, len(got.out), got.errOut)
	}
}

func TestRunOutputFails(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{syscall.EPIPE, 141, ""},
		{syscall.ENOSPC, 125, "gridrun: cannot write standard output: no space left on device; 1 rank stopped\n"},
	} {
		got := runFake(t, jobOf(t, 1, nil), &fake{play: func(a *fakeAgent) {
			a.ready()
			a.say(&wire.Output{Proc: 0, Data: []byte("x\n")})
			if m, ok := a.hear().(*wire.Stop); !ok {
				t.Errorf("heard %+v, want Stop", m)
			}
			a.finish(wire.Exit{Signal: 15, Stop: true})
		}}, func(io *IO) { io.Stdout = failing{c.err} })
		if got.code != c.code || got.errOut != c.text {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestRunAgentFaults(t *testing.T) {
	for name, c := range map[string]struct {
		play func(a *fakeAgent)
		text string
	}{
		"ends at once":  {func(a *fakeAgent) {}, "the agent ended unexpectedly"},
		"ends later":    {func(a *fakeAgent) { a.ready() }, "the agent ended unexpectedly"},
		"trouble":       {func(a *fakeAgent) { a.say(&wire.Trouble{Stage: "segment", Text: "no memory"}) }, "segment: no memory"},
		"other version": {func(a *fakeAgent) { a.say(&wire.Ready{Version: 99}) }, "speaks version 99"},
		"wrong message": {func(a *fakeAgent) { a.ready(); a.say(&wire.Start{}) }, "does not say *wire.Start"},
		"wrong process": {func(a *fakeAgent) { a.ready(); a.say(&wire.Exit{Proc: 7}) }, "process 7 is not on this host"},
		"no output":     {func(a *fakeAgent) { a.ready(); a.say(&wire.Output{Proc: -1}) }, "process -1 is not on this host"},
		"too early":     {func(a *fakeAgent) { a.ready(); a.say(&wire.Done{}) }, "finished without the end of 2 processes"},
	} {
		got := runFake(t, jobOf(t, 2, nil), &fake{play: c.play}, nil)
		if got.code != CodeRefused || !strings.Contains(got.errOut, c.text) || !strings.HasPrefix(got.errOut, "gridrun: host ") {
			t.Errorf("%s: %+v, want %q", name, got, c.text)
		}
	}
	j := jobOf(t, 1, nil)
	var errOut buffer
	if code := j.Run(context.Background(), noStarter{}, IO{Stdout: io.Discard, Stderr: &errOut}); code != CodeRefused || !strings.Contains(errOut.String(), "no such machine") {
		t.Errorf("no agent at all: %d, %s", code, errOut.String())
	}
}

type noStarter struct{}

func (noStarter) Start(context.Context, place.Host) (agents.Agent, error) {
	return nil, errors.New("no such machine")
}

// cutter passes on n bytes and fails then.
type cutter struct {
	w io.Writer
	n int
}

func (c *cutter) Write(b []byte) (int, error) {
	if len(b) > c.n {
		b = b[:c.n]
		c.n = 0
		if len(b) > 0 {
			c.w.Write(b)
		}
		return len(b), io.ErrShortWrite
	}
	c.n -= len(b)
	return c.w.Write(b)
}

// TestRunCutAtEveryByte ends the agent's stream after each number of bytes of a
// whole conversation: always a lost host, never a hang, nothing left behind.
func TestRunCutAtEveryByte(t *testing.T) {
	play := func(a *fakeAgent) {
		a.ready()
		a.say(&wire.Output{Proc: 0, Data: []byte("hello\n")})
		a.finish(wire.Exit{})
	}
	whole := &cutter{n: 1 << 20}
	if got := runFake(t, jobOf(t, 1, nil), &fake{play: play, mangle: func(w io.Writer) io.Writer { whole.w = w; return whole }}, nil); got.code != 0 {
		t.Fatalf("uncut: %+v", got)
	}
	length := 1<<20 - whole.n
	for n := range length {
		got := runFake(t, jobOf(t, 1, nil), &fake{play: play, mangle: func(w io.Writer) io.Writer { return &cutter{w, n} }}, nil)
		if got.code != CodeRefused || !strings.Contains(got.errOut, "the agent ended unexpectedly") {
			t.Fatalf("cut after %d of %d bytes: %+v", n, length, got)
		}
	}
}

func TestRunLease(t *testing.T) {
	got := runFake(t, jobOf(t, 1, func(s *Spec) { s.Lease = 50 * time.Millisecond }), &fake{play: func(a *fakeAgent) {
		if a.start.Lease != int64(50*time.Millisecond) {
			t.Errorf("lease %v", a.start.Lease)
		}
		a.ready()
		for beats := 0; ; { // silent, but listening
			switch a.hear().(type) {
			case nil:
				if beats < 2 {
					t.Errorf("%d beats before the launcher gave up", beats)
				}
				return
			case *wire.Beat:
				beats++
			}
		}
	}}, nil)
	if got.code != CodeRefused || !strings.Contains(got.errOut, "no sign of life for") {
		t.Errorf("%+v", got)
	}
}

// TestRunAwakes: a launcher that has not run for longer than the lease (Ctrl-Z, a
// suspended machine) listens before it takes agents for dead.
func TestRunAwakes(t *testing.T) {
	const lease = 200 * time.Millisecond
	j := jobOf(t, 1, func(s *Spec) { s.Lease = lease })
	got := runFake(t, j, &fake{play: func(a *fakeAgent) {
		a.ready()
		asleep := make(chan struct{})
		r := j.running.Load()
		r.post(func() {
			close(asleep)
			time.Sleep(3 * lease)
		})
		<-asleep
		for heard := 0; heard < 3; heard++ {
			if _, ok := a.hear().(*wire.Beat); !ok {
				t.Error("no beat of the launcher")
				return
			}
			time.Sleep(lease / 4) // a busy host
			a.say(&wire.Beat{})
		}
		a.finish(wire.Exit{})
	}}, nil)
	if got.code != 0 {
		t.Errorf("%+v", got)
	}
}
