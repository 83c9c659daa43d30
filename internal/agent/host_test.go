package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/agent/command"
	"gridrun/internal/agent/guard"
	"gridrun/internal/wire"
	"gridrun/rt"
)

// The test binary plays all parts: it is the guard, the agent, the host service
// and the ranks (see roles) of the jobs that the tests run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "__guard":
			if n, err := strconv.ParseUint(os.Getenv(limitName), 10, 32); err == nil {
				syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
			}
			os.Exit(guard.Main())
		case "__agent":
			os.Exit(Main())
		case hostdVerb:
			os.Exit(playHostd())
		case command.RankVerb:
			if os.Args[2] == "rt" {
				rt.Main(netRank)
			}
			os.Exit(playRank(os.Args[2], os.Args[3:]))
		}
	}
	os.Exit(m.Run())
}

const patient = time.Minute

// markName is set in the environment of every process of a test's job.
const markName = "GRIDRUN_AGENT_TEST"

// limitName is the environment variable with the most descriptors a guard and
// what it starts may have.
const limitName = "GRIDRUN_AGENT_TEST_NOFILE"

// A host is a guard with its agent, and the launcher's end of the protocol.
type host struct {
	t      testing.TB
	cmd    *exec.Cmd
	mark   string
	stdin  io.WriteCloser
	stream *wire.Stream
	exited chan struct{}
	deaf   sync.Mutex // locked: the launcher reads nothing

	mu      sync.Mutex
	changed chan struct{} // replaced at every change
	log     []wire.Message
	readErr error
	grant   bool
}

// startHost starts a guard and sends it the job. When the test ends, the guard
// must end too (its input is closed) and nothing that carries its mark be left.
func startHost(t testing.TB, start *wire.Start) *host {
	t.Helper()
	h := launchGuard(t)
	complete(start)
	if err := h.stream.Send(start); err != nil {
		t.Fatal(err)
	}
	return h
}

func launchGuard(t testing.TB) *host {
	t.Helper()
	return guardAs(t, exec.Command(guard.SelfExe, "__guard"))
}

// guardAs starts a guard by cmd.
func guardAs(t testing.TB, cmd *exec.Cmd) *host {
	t.Helper()
	h := &host{t: t, cmd: cmd, exited: make(chan struct{}), changed: make(chan struct{}), grant: true,
		mark: fmt.Sprintf("%s=%s-%d-%d", markName, t.Name(), os.Getpid(), time.Now().UnixNano())}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, h.mark, "GORACE=atexit_sleep_ms=0")
	h.cmd.Stderr = os.Stderr
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h.cmd.Stdout = w
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if h.stream, err = wire.NewStream(stdout, h.stdin); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		h.read()
		stdout.Close()
	})
	wg.Go(func() {
		h.cmd.Wait()
		close(h.exited)
	})
	t.Cleanup(func() {
		h.stdin.Close()
		h.awaitExit()
		nothingLeft(t, h.mark)
		wg.Wait()
	})
	return h
}

// complete fills in what a test does not care about: one rank a process, all here.
func complete(s *wire.Start) {
	s.Version = wire.Version
	if s.Job == "" {
		s.Job, s.Key = "test", bytes.Repeat([]byte{7}, 32)
	}
	if s.Topology.Hosts != nil {
		return
	}
	s.Topology.Hosts = []string{"here"}
	for i := range s.Procs {
		s.Procs[i].Proc = i
		if s.Procs[i].Ranks == nil {
			s.Procs[i].Ranks = []int{len(s.Topology.RankProc)}
		}
		for range s.Procs[i].Ranks {
			s.Topology.RankProc = append(s.Topology.RankProc, i)
			s.Topology.RankApp = append(s.Topology.RankApp, 0)
		}
		s.Topology.ProcHost = append(s.Topology.ProcHost, 0)
	}
}

func (h *host) read() {
	err := h.stream.Open()
	for err == nil {
		func() {
			h.deaf.Lock() // wait while it is locked
			defer h.deaf.Unlock()
		}()
		var m wire.Message
		if m, err = h.stream.Receive(); err == nil {
			h.note(m, nil)
			if out, ok := m.(*wire.Output); ok && h.grants() {
				h.stream.Send(&wire.Grant{N: len(out.Data)})
			}
		}
	}
	h.note(nil, err)
}

func (h *host) note(m wire.Message, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m != nil {
		h.log = append(h.log, m)
	}
	h.readErr = err
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *host) grants() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.grant
}

func (h *host) send(m wire.Message) {
	h.t.Helper()
	if err := h.stream.Send(m); err != nil {
		h.t.Errorf("sending %T: %v", m, err)
	}
}

// until waits until ok holds for the messages so far.
func (h *host) until(what string, ok func(log []wire.Message) bool) {
	h.t.Helper()
	deadline := time.After(patient)
	for {
		h.mu.Lock()
		good, changed, err := ok(h.log), h.changed, h.readErr
		h.mu.Unlock()
		if good {
			return
		}
		if err != nil {
			h.t.Fatalf("waiting for %s: agent's stream ended: %v\n%s", what, err, h.transcript())
		}
		select {
		case <-changed:
		case <-deadline:
			h.t.Fatalf("no %s within %v\n%s", what, patient, h.transcript())
		}
	}
}

func (h *host) transcript() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, m := range h.log {
		fmt.Fprintf(&b, "%T %.200s\n", m, fmt.Sprintf("%+v", m))
	}
	return b.String()
}

// await waits for the first message of type M that ok accepts.
func await[M wire.Message](h *host, ok func(M) bool) (found M) {
	h.t.Helper()
	h.until(fmt.Sprintf("%T", found), func(log []wire.Message) bool {
		for _, m := range log {
			if got, is := m.(M); is && ok(got) {
				found = got
				return true
			}
		}
		return false
	})
	return found
}

func anyOf[M wire.Message](M) bool { return true }

func (h *host) awaitPid(proc int) int {
	h.t.Helper()
	return await(h, func(m *wire.Started) bool { return m.Proc == proc }).Pid
}

func (h *host) awaitOutput(proc int, text string) {
	h.t.Helper()
	h.until(fmt.Sprintf("%q in the output of process %d", text, proc), func(log []wire.Message) bool {
		return strings.Contains(output(log, proc, false), text)
	})
}

func (h *host) exit(proc int) *wire.Exit {
	h.t.Helper()
	return await(h, func(m *wire.Exit) bool { return m.Proc == proc })
}

// output is what proc has written so far.
func output(log []wire.Message, proc int, stderr bool) string {
	var b strings.Builder
	for _, m := range log {
		if o, ok := m.(*wire.Output); ok && o.Proc == proc && o.Stderr == stderr {
			b.Write(o.Data)
		}
	}
	return b.String()
}

func (h *host) output(proc int, stderr bool) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return output(h.log, proc, stderr)
}

func (h *host) awaitExit() {
	h.t.Helper()
	select {
	case <-h.exited:
	case <-time.After(patient):
		h.t.Errorf("guard %d still runs after %v\n%s", h.cmd.Process.Pid, patient, h.transcript())
		h.cmd.Process.Kill()
		<-h.exited
	}
}

// done waits for an orderly end of the job.
func (h *host) done() {
	h.t.Helper()
	await(h, anyOf[*wire.Done])
	h.awaitExit()
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		h.t.Errorf("guard's exit code %d after Done", code)
	}
}

// agentPid finds the agent below the guard.
func (h *host) agentPid() int {
	return await(h, anyOf[*wire.Ready]).Pid
}

// marked returns the processes that carry mark in their environment.
func marked(mark string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && bytes.Contains(append([]byte{0}, b...), append([]byte{0}, mark+"\x00"...)) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

// nothingLeft fails when a process with this mark lives on.
func nothingLeft(t testing.TB, mark string) {
	t.Helper()
	deadline := time.Now().Add(patient)
	for {
		pids := marked(mark)
		if len(pids) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, pid := range pids {
				line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
				t.Errorf("left behind: process %s: %q", pid, line)
			}
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// alive waits until n processes carry the job's mark.
func (h *host) alive(n int) {
	h.t.Helper()
	deadline := time.Now().Add(patient)
	for len(marked(h.mark)) != n {
		if time.Now().After(deadline) {
			h.t.Fatalf("%d processes of the job, want %d", len(marked(h.mark)), n)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func shell(script string) wire.ProcSpec {
	return wire.ProcSpec{Path: "/bin/sh", Args: []string{"-c", script}}
}

func job(procs ...wire.ProcSpec) *wire.Start {
	return &wire.Start{Procs: procs, Grace: int64(patient)}
}

var errNoControl = errors.New("no control socket")
