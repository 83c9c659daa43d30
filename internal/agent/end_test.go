package agent

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/agent/guard"
	"gridrun/internal/wire"
)

// A family is a rank with a child, two descendants in a session of their own
// whose parent is gone (daemons), one of which holds the rank's output open, and
// a further generation.
const family = `
sleep 1001 &
(setsid sh -c 'sleep 1002 & sleep 1003' </dev/null >/dev/null 2>&1 &)
(setsid sleep 1004 &)
echo family is there
`

func familyEnding(how string) wire.ProcSpec { return shell(family + how) }

func TestKill(t *testing.T) {
	cases := []struct {
		name   string
		how    string // the rank's end of the script
		strike func(h *host)
		code   int  // of the guard; -1: killed
		done   bool // an orderly end
	}{
		{"rank ends", "exit 0", func(h *host) {}, 0, true},
		{"rank is killed", "sleep 1005", func(h *host) { h.kill(h.awaitPid(0)) }, 0, true},
		{"agent is killed", "sleep 1005", func(h *host) { h.kill(h.agentPid()) }, 137, false},
		{"guard is killed", "sleep 1005", func(h *host) { h.kill(h.cmd.Process.Pid) }, -1, false},
		{"launcher is killed", "sleep 1005", func(h *host) { h.stdin.Close() }, 125, false},
		{"stopped at once", "sleep 1005", func(h *host) { h.send(&wire.Stop{Now: true}) }, 0, true},
		{"stopped", "sleep 1005", func(h *host) { h.send(new(wire.Stop)) }, 0, true},
		{"suspended, then stopped", "sleep 1005", func(h *host) {
			h.send(&wire.Signal{Signal: int(syscall.SIGSTOP)})
			h.send(new(wire.Stop))
		}, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := startHost(t, job(familyEnding(c.how)))
			h.awaitFamily(c.how)
			c.strike(h)
			if c.done {
				h.done()
				return
			}
			h.awaitExit()
			if code := h.cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("guard's exit code %d, want %d", code, c.code)
			}
		})
	}
}

// awaitFamily waits until every member runs: guard, agent, two shells (one when
// the rank has ended) and four or five sleepers.
func (h *host) awaitFamily(how string) {
	h.t.Helper()
	h.awaitOutput(0, "family is there")
	if how != "exit 0" {
		h.alive(9)
	}
}

func (h *host) kill(pid int) {
	h.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.t.Errorf("killing %d: %v", pid, err)
	}
}

// The end of the guard's output says that nothing is left.
func TestEndOfStreamMeansNothingLeft(t *testing.T) {
	h := startHost(t, job(familyEnding("sleep 1005"), familyEnding("sleep 1005")))
	h.awaitOutput(0, "family is there")
	h.awaitOutput(1, "family is there")
	h.kill(h.agentPid())
	for ended := false; !ended; {
		h.mu.Lock()
		changed := h.changed
		ended = h.readErr != nil
		h.mu.Unlock()
		if !ended {
			<-changed
		}
	}
	guard := strconv.Itoa(h.cmd.Process.Pid)
	for _, pid := range marked(h.mark) {
		if pid != guard {
			t.Errorf("process %s lives after the end of the stream", pid)
		}
	}
}

func TestGrandchildIsKilled(t *testing.T) {
	h := startHost(t, job(shell("sleep 1000 & echo pid $! .; wait $!; echo gone; sleep 1000"), shell("sleep 1000")))
	h.awaitOutput(0, " .")
	var pid int
	fmt.Sscanf(h.output(0, false), "pid %d", &pid)
	h.kill(pid)
	h.awaitOutput(0, "gone")
	h.send(new(wire.Stop))
	h.done()
}

// The end of a killed process is told though a child of it holds all it had, and
// what it had written is not lost.
func TestKilledWithAGrandchild(t *testing.T) {
	h := startHost(t, job(shell("sleep 1000 & echo last words; kill -9 $$"), shell("echo up; exec sleep 1000")))
	if e := h.exit(0); e.Signal != 9 || e.Stop {
		t.Errorf("%+v", e)
	}
	if out := h.output(0, false); out != "last words\n" {
		t.Errorf("output: %q", out)
	}
	h.awaitOutput(1, "up")
	h.send(&wire.Stop{Now: true})
	h.done()
}

func TestStopWithGrace(t *testing.T) {
	stubborn := shell("trap '' TERM; echo ready; while :; do sleep 1; done")
	polite := shell("trap 'echo bye; exit 6' TERM; echo ready; while :; do sleep 0.01; done")
	s := job(stubborn, polite, shell("exit 0"))
	s.Grace = int64(300 * time.Millisecond)
	h := startHost(t, s)
	h.awaitOutput(0, "ready")
	h.awaitOutput(1, "ready")
	h.exit(2)
	begin := time.Now()
	h.send(new(wire.Stop))
	e := h.exit(1)
	if e.Code != 6 || !e.Stop {
		t.Errorf("polite: %+v", e)
	}
	e = h.exit(0)
	if e.Signal != 9 || !e.Stop {
		t.Errorf("stubborn: %+v", e)
	}
	if d := time.Since(begin); d < 300*time.Millisecond {
		t.Errorf("killed after %v, before the grace period", d)
	}
	if e = h.exit(2); e.Stop || e.Code != 0 {
		t.Errorf("had ended before: %+v", e)
	}
	h.done()
	if out := h.output(1, false); !strings.HasSuffix(out, "bye\n") {
		t.Errorf("last words lost: %q", out)
	}
}

func TestSecondStopShortensTheGrace(t *testing.T) {
	h := startHost(t, job(shell("trap '' TERM; echo ready; while :; do sleep 1; done"))) // grace as long as the test waits
	h.awaitOutput(0, "ready")
	h.send(new(wire.Stop))
	h.send(new(wire.Inspect))
	await(h, anyOf[*wire.Report])
	h.send(&wire.Stop{Now: true})
	h.done()
}

func TestStopWithAnotherSignal(t *testing.T) {
	h := startHost(t, job(shell("trap 'exit 9' INT; echo ready; while :; do sleep 0.01; done")))
	h.awaitOutput(0, "ready")
	h.send(&wire.Stop{Signal: int(syscall.SIGINT)})
	if e := h.exit(0); e.Code != 9 || !e.Stop {
		t.Errorf("%+v", e)
	}
	h.done()
}

func TestSignal(t *testing.T) {
	h := startHost(t, job(shell("trap 'echo usr1; exit 2' USR1; echo ready; while :; do sleep 0.01; done")))
	h.awaitOutput(0, "ready")
	h.send(&wire.Signal{Signal: int(syscall.SIGUSR1)})
	if e := h.exit(0); e.Code != 2 || e.Stop {
		t.Errorf("%+v", e)
	}
	h.done()
}

// A signal that comes while a process is being started is not lost.
func TestSignalDuringStart(t *testing.T) {
	h := startHost(t, job(shell("sleep 1000"), shell("sleep 1000")))
	h.send(&wire.Signal{Signal: int(syscall.SIGUSR1)})
	for proc := range 2 {
		if e := h.exit(proc); e.Signal != int(syscall.SIGUSR1) || e.Stop {
			t.Errorf("%+v", e)
		}
	}
	h.done()
}

// Stop while processes are being started: all of them end.
func TestStopDuringStart(t *testing.T) {
	for _, now := range []bool{true, false} {
		var procs []wire.ProcSpec
		for range 40 {
			procs = append(procs, shell("sleep 1000"))
		}
		h := startHost(t, job(procs...))
		h.awaitPid(0)
		h.send(&wire.Stop{Now: now})
		h.done()
		for p := range procs {
			if e := h.exit(p); !e.Stop || e.Signal == 0 {
				t.Errorf("process %d: %+v", p, e)
			}
		}
	}
}

func TestLauncherLeavesAtAnyTime(t *testing.T) {
	t.Run("before Start", func(t *testing.T) { launchGuard(t) })
	t.Run("in Start", func(t *testing.T) {
		h := launchGuard(t)
		h.stdin.Write([]byte{200, 0, 0, 0, 1})
	})
	t.Run("while processes start", func(t *testing.T) {
		var procs []wire.ProcSpec
		for range 40 {
			procs = append(procs, shell("sleep 1000"))
		}
		startHost(t, job(procs...))
	})
}

func TestLease(t *testing.T) {
	t.Parallel()
	s := job(familyEnding("sleep 1005"))
	s.Lease = int64(time.Second)
	h := startHost(t, s)
	// Answered for longer than a lease, the agent goes on.
	answered := 0
	h.until("the family, and some beats", func(log []wire.Message) bool {
		for ; answered < beats(log); answered++ {
			h.send(new(wire.Beat))
		}
		return answered >= leaseBeats+2 && strings.Contains(output(log, 0, false), "family is there")
	})
	trouble := await(h, anyOf[*wire.Trouble])
	if trouble.Stage != "lease" || !strings.Contains(trouble.Text, "1s") {
		t.Errorf("%+v", trouble)
	}
	h.awaitExit()
	if code := h.cmd.ProcessState.ExitCode(); code != guard.Refused {
		t.Errorf("exit code %d, want %d", code, guard.Refused)
	}
}

// TestLeaseRests: a launcher that the user has stopped (Ctrl-Z) is silent as
// long as it likes, and the lease counts again when it goes on.
func TestLeaseRests(t *testing.T) {
	t.Parallel()
	s := job(shell("trap 'echo on' CONT; echo up; while :; do sleep 0.01; done"))
	s.Lease = int64(time.Second / 2)
	h := startHost(t, s)
	h.awaitOutput(0, "up")
	h.send(&wire.Signal{Signal: int(syscall.SIGSTOP)})
	h.send(&wire.Grant{N: 1})              // was on its way
	time.Sleep(3 * time.Duration(s.Lease)) // that it lasts is what is tested
	said := 0
	h.until("a look", func(log []wire.Message) bool { said = beats(log); return true })
	h.send(&wire.Signal{Signal: int(syscall.SIGCONT)})
	h.awaitOutput(0, "on")
	if said > 2*leaseBeats {
		t.Errorf("%d signs of life to a launcher that is stopped", said)
	}
	if trouble := await(h, anyOf[*wire.Trouble]); trouble.Stage != "lease" {
		t.Errorf("%+v", trouble)
	}
	h.awaitExit()
}

func beats(log []wire.Message) (n int) {
	for _, m := range log {
		if _, ok := m.(*wire.Beat); ok {
			n++
		}
	}
	return n
}

// A launcher that neither reads nor closes its end holds up nothing but the output.
func TestLauncherDoesNotRead(t *testing.T) {
	t.Parallel()
	h := launchGuard(t)
	h.deaf.Lock()
	s := job(familyEnding("exec yes"), shell("exec tr '\\0' '\\n' < /dev/zero"))
	complete(s)
	h.send(s)
	h.alive(9) // guard, agent, yes, tr, a shell and four sleepers
	h.stdin.Close()
	h.awaitExit()
	nothingLeft(t, h.mark)
	h.deaf.Unlock()
}

// With too few descriptors for all processes the job can still be told so and ends.
func TestOutOfDescriptors(t *testing.T) {
	t.Setenv(limitName, "60")
	var procs []wire.ProcSpec
	for range 40 {
		procs = append(procs, shell("read x"))
	}
	h := startHost(t, job(procs...))
	refused, ran := 0, 0
	for p := range procs {
		switch e := h.exit(p); {
		case e.Code == guard.Refused && strings.Contains(e.Error, "too many open files"):
			refused++
		case e.Code == 1 && e.Error == "": // the end of /dev/null
			ran++
		default:
			t.Errorf("process %d: %+v", p, e)
		}
	}
	h.done()
	if refused == 0 && ran == 0 || refused+ran != len(procs) {
		t.Errorf("%d refused, %d ran", refused, ran)
	}
}
