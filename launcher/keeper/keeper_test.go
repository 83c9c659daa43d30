package keeper

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"

	"golang.org/x/sys/unix"
)

// work runs a job on an agent: its answer, and how it ended.
func work(t *testing.T, c *Client, host, job string) (says string, a agents.Agent, s *wire.Stream) {
	t.Helper()
	a, err := c.Start(t.Context(), Way{}, Host{Name: host}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = wire.NewStream(a, a); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Send(&wire.Start{Job: job}), s.Open()); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := s.Receive()
		if err != nil {
			t.Fatalf("%s on %s: %v", job, host, err)
		}
		switch m := m.(type) {
		case *wire.Hello:
			if m.CPUs != 3 {
				t.Errorf("%+v", m)
			}
		case *wire.Notice:
			return m.Text, a, s
		}
	}
}

func TestJobs(t *testing.T) {
	r := newRig(t, time.Hour)
	seen := r.up(t, "a", "b", "c")
	for _, name := range []string{"a", "b", "c"} {
		if h := seen[name]; !h.Up || h.CPUs != 3 {
			t.Errorf("%+v", h)
		}
	}
	c := r.client(t)
	if cpus, kept := c.Kept(Way{}, Host{Name: "b"}); cpus != 3 || !kept {
		t.Error(cpus, kept)
	}
	if _, kept := c.Kept(Way{Command: "ssh"}, Host{Name: "b"}); kept {
		t.Error("a host that is reached in another way is not the same")
	}
	// Many at once, on a host that has one agent ready.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			says, a, _ := work(t, c, "b", "short")
			if says != "short on b" {
				t.Errorf("%q", says)
			}
			if n, err := io.Copy(io.Discard, a); n != 0 || err != nil {
				t.Error(n, err)
			}
			if err := a.Wait(); err == nil || err.Error() != "exit status 7" {
				t.Errorf("its end: %v", err)
			}
		})
	}
	all.Wait()
	if n := r.dials.Load(); n != 3 {
		t.Errorf("%d connections for 3 hosts", n)
	}
	// One that is given up ends.
	_, a, _ := work(t, c, "a", "long")
	eventually(t, "a job is seen", func() bool {
		s, err := c.Refresh(t.Context())
		return err == nil && s.Jobs == 1 && s.Hosts[0].Jobs == 1
	})
	if err := c.Down(t.Context(), false); err == nil || !strings.Contains(err.Error(), "--now") {
		t.Errorf("down while a job runs: %v", err)
	}
	a.Kill()
	io.Copy(io.Discard, a)
	if err := a.Wait(); err == nil {
		t.Error("a killed agent has ended well")
	}
	eventually(t, "the job has ended and one agent waits on each host", func() bool {
		s, err := c.Refresh(t.Context())
		return err == nil && s.Jobs == 0 && r.agents.Load() == 3
	})
	if err := c.Down(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	await(t, r.ended, "down ends the keeper")
}

// Who works on a host when it is taken down hears that, and nothing of what the
// agent says of a launcher that it takes for gone.
func TestDownWhileJobsRun(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	c := r.client(t)
	_, a, _ := work(t, c, "a", "long")
	down := make(chan error, 1)
	go func() { down <- c.Down(t.Context(), true) }()
	if rest, err := io.ReadAll(a); err != nil || len(rest) > 0 {
		t.Errorf("after gridrun down --now: %q, %v", rest, err)
	}
	if err := a.Wait(); !errors.As(err, new(agents.Dismissed)) {
		t.Errorf("its end: %v", err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	await(t, r.ended, "down ends the keeper")
}

// TestRefill: while agents of other hosts still work, a host where a job has
// ended gets no new agent; after the last one all get theirs.
func TestRefill(t *testing.T) {
	times := quick
	times.Refill = time.Hour
	r := newRigOf(t, time.Hour, times)
	r.up(t, "a", "b", "c")
	c := r.client(t)
	_, a, _ := work(t, c, "a", "long")
	_, b, _ := work(t, c, "b", "long")
	ready := func() (a, b, c bool, jobs int) {
		s, err := r.client(t).Refresh(t.Context())
		if err != nil || len(s.Hosts) != 3 {
			t.Fatalf("%+v, %v", s, err)
		}
		return s.Hosts[0].Ready, s.Hosts[1].Ready, s.Hosts[2].Ready, s.Jobs
	}
	end := func(a agents.Agent) {
		a.Kill()
		io.Copy(io.Discard, a)
		a.Wait()
	}
	end(a)
	eventually(t, "one of two jobs has ended", func() bool { _, _, _, jobs := ready(); return jobs == 1 })
	if a, b, c, _ := ready(); a || b || !c {
		t.Errorf("ready while a job runs: a %v, b %v, c %v", a, b, c)
	}
	end(b)
	eventually(t, "all are ready again", func() bool { a, b, c, jobs := ready(); return a && b && c && jobs == 0 })
	eventually(t, "one agent waits on each host", func() bool { return r.agents.Load() == 3 })
	// Who asks while all agents are at work does not wait for their end.
	_, a, _ = work(t, c, "a", "long")
	_, b, _ = work(t, c, "a", "long")
	end(a)
	end(b)
}

func TestDownNow(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	c := r.client(t)
	_, a, _ := work(t, c, "a", "long")
	if err := c.Down(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, a)
	a.Wait()
}

// A keeper that nobody uses ends, but not while a host that takes longer than
// that is being connected.
func TestIdle(t *testing.T) {
	const idle = time.Second
	began, hosts := time.Now(), new(world)
	hosts.hold = func() { time.Sleep(idle + idle/2) }
	r := newRigIn(t, hosts, idle, quick)
	var seen HostStatus
	c, err := find(t.Context(), r.path)
	if c != nil && err == nil {
		err = c.Up(t.Context(), Way{}, []Host{{Name: "a"}}, func(h HostStatus) { seen = h }, func(string) {})
	}
	// A machine may take longer to ask than the keeper waits.
	if (err != nil || !seen.Up) && time.Since(began) < idle+idle/2 {
		t.Errorf("%+v, %v", seen, err)
	}
	await(t, r.ended, "a keeper that nobody uses ends")
	if c, err := find(t.Context(), r.path); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestHostsThatNeverCome(t *testing.T) {
	r := newRig(t, time.Hour)
	r.dead.Store(true)
	if h := r.up(t, "a")["a"]; h.Up || !strings.Contains(h.Why, "nobody answers") {
		t.Errorf("%+v", h)
	}
	await(t, r.ended, "a keeper with nothing to keep ends")
}

// A host that went away is no good for the next job, and comes back for the one
// after that.
func TestHostGoesAndComes(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	c := r.client(t)
	r.dead.Store(true)
	r.cut()
	eventually(t, "it is seen", func() bool {
		s, err := c.Refresh(t.Context())
		return err == nil && !s.Hosts[0].Up && s.Hosts[0].Why != ""
	})
	if _, err := c.Start(t.Context(), Way{}, Host{Name: "a"}, nil); err == nil {
		t.Fatal("an agent on a host that is gone")
	}
	r.dead.Store(false)
	eventually(t, "it is connected anew", starts(t, c))
}

// An agent that says nothing more is not given to a job.
func TestSilentAgent(t *testing.T) {
	times := quick
	times.Answer = 100 * time.Millisecond
	r := newRigOf(t, time.Hour, times)
	r.up(t, "a")
	c := r.client(t)
	r.mute.Store(true)
	if _, err := c.Start(t.Context(), Way{}, Host{Name: "a"}, nil); err == nil {
		t.Error("an agent that does not answer was handed over")
	}
	r.mute.Store(false)
	eventually(t, "there is another", func() bool {
		a, err := c.Start(t.Context(), Way{}, Host{Name: "a"}, nil)
		if err != nil {
			t.Log(err)
			return false
		}
		a.Kill()
		io.Copy(io.Discard, a)
		a.Wait()
		return true
	})
}

// A host whose waiting agent falls silent is not up, until it is asked for again.
func TestSilentHost(t *testing.T) {
	times := quick
	times.Beat = 100 * time.Millisecond
	r := newRigOf(t, time.Hour, times)
	r.up(t, "a")
	c := r.client(t)
	r.mute.Store(true)
	eventually(t, "silence is noticed", func() bool {
		s, err := c.Refresh(t.Context())
		return err == nil && !s.Hosts[0].Up && strings.Contains(s.Hosts[0].Why, "no sign of life")
	})
	r.mute.Store(false)
	eventually(t, "there is an agent again", starts(t, c))
}

// The keeper's own end is the end of its jobs' connections.
func TestKeeperGoes(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	_, a, _ := work(t, r.client(t), "a", "long")
	r.stop()
	io.Copy(io.Discard, a)
	if err := a.Wait(); err == nil {
		t.Error("it ended well")
	}
}

// The channel for files carries both ways and knows half-closed connections.
func TestFileChannel(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	c := r.client(t)
	conn, _, err := c.ask(t.Context(), request{Op: opSFTP, Host: Host{Name: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	data := bytes.Repeat([]byte("0123456789"), 300_000)
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	chunks := &chunkReader{r: conn}
	got, err := io.ReadAll(chunks)
	if err != nil || !bytes.Equal(got, data) || chunks.end.Error != "exit status 7" {
		t.Errorf("%d bytes, %v, %+v", len(got), err, chunks.end)
	}
	if _, _, err := c.ask(t.Context(), request{Op: opSFTP, Host: Host{Name: "b"}}); err == nil {
		t.Error("files for a host that is not kept")
	}
}

func TestNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "up"+Suffix)
	if c, err := find(t.Context(), path); c != nil || err != nil {
		t.Errorf("no socket: %v, %v", c, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if c, err := find(t.Context(), path); c != nil || err != nil {
		t.Errorf("a leftover: %v, %v", c, err)
	}
}

// A keeper of another build is told, and can be ended.
func TestOtherBuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "up"+Suffix)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		var r request
		readMessage(c, &r)
		writeMessage(c, reply{Status: &Status{Build: "another", Exe: "other", Pid: 42}})
	}()
	c, err := find(t.Context(), path)
	var other *OtherBuild
	if !errors.As(err, &other) || c == nil || !strings.Contains(err.Error(), "pid 42") {
		t.Errorf("%v, %v", c, err)
	}
}

// A keeper without descriptors, and its jobs with it, lives until there are some.
func TestNoDescriptors(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: r.path})
	select {
	case <-r.ended:
	case <-time.After(3 * acceptPause):
	}
	if err := errors.Join(err, unix.Setrlimit(unix.RLIMIT_NOFILE, &was), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	if says, a, _ := work(t, r.client(t), "a", "short"); says != "short on a" {
		t.Error(says)
	} else {
		io.Copy(io.Discard, a)
		a.Wait()
	}
}

// Whoever connects and talks nonsense harms nobody.
func TestStrangers(t *testing.T) {
	r := newRig(t, time.Hour)
	r.up(t, "a")
	for _, text := range []string{"", "x", "GET / HTTP/1.0\r\n\r\n", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x01\x00\x00\x00\x80", "\x02\x00\x00\x00\xc1\xc1"} {
		c, err := net.Dial("unix", r.path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		c.(*net.UnixConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	}
	if says, a, _ := work(t, r.client(t), "a", "short"); says != "short on a" {
		t.Error(says)
	} else {
		io.Copy(io.Discard, a)
		a.Wait()
	}
}

func FuzzMessages(f *testing.F) {
	var b bytes.Buffer
	writeMessage(&b, request{Op: opUp, Hosts: []Host{{Name: "a"}}})
	f.Add(b.Bytes())
	b.Reset()
	copyChunks(&b, strings.NewReader("some output"))
	writeEnd(&b, end{Error: "exit status 1"})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var q request
		readMessage(bytes.NewReader(b), &q)
		var p reply
		readMessage(bytes.NewReader(b), &p)
		if out, _ := io.ReadAll(&chunkReader{r: bytes.NewReader(b)}); len(out) > len(b) {
			t.Errorf("%d bytes became %d", len(b), len(out))
		}
	})
}

// starts is whether an agent starts on host a, which then is ended.
func starts(t *testing.T, c *Client) func() bool {
	return func() bool {
		a, err := c.Start(t.Context(), Way{}, Host{Name: "a"}, nil)
		if err == nil {
			a.Kill()
			io.Copy(io.Discard, a)
			a.Wait()
		}
		return err == nil
	}
}
