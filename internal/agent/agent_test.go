package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gridrun/internal/agent/guard"
	"gridrun/internal/wire"
)

func TestOneShell(t *testing.T) {
	h := startHost(t, job(shell("echo out; echo err >&2; exit 3")))
	e := h.exit(0)
	h.done()
	if e.Code != 3 || e.Signal != 0 || e.Stop || e.Error != "" {
		t.Errorf("exit %+v", e)
	}
	if out, err := h.output(0, false), h.output(0, true); out != "out\n" || err != "err\n" {
		t.Errorf("output %q, %q", out, err)
	}
}

func TestWelcome(t *testing.T) {
	for _, transport := range []string{"", "tcp"} {
		s := job(wire.ProcSpec{Job: "welcome", Args: []string{"a", "b c"}, Ranks: []int{0, 1}}, wire.ProcSpec{Job: "welcome"})
		s.Transport = transport
		h := startHost(t, s)
		h.done()
		want := `test "` + transport + `" proc=0 ranks=[0 1] args=["a" "b c"] segment=true bytes=true key=32 topology=3/2` + "\n"
		if got := h.output(0, false); got != want {
			t.Errorf("%q: got %q, want %q", transport, got, want)
		}
	}
}

func TestEnvironmentAndDirectory(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GRIDRUN_RANK", "77") // of a job that this one is part of
	t.Setenv("KEPT", "kept")
	t.Setenv("CHANGED", "old")
	script := "echo $GRIDRUN_RANK $GRIDRUN_SIZE $GRIDRUN_LOCAL_RANK $GRIDRUN_LOCAL_SIZE $GRIDRUN_JOB $GRIDRUN_CONTROL $KEPT $CHANGED; pwd; ls /proc/self/fd | tr '\\n' ' '"
	one, two := shell(script), shell(script)
	one.Ranks, one.Dir, one.Env = []int{1, 2}, dir, []string{"CHANGED=new"}
	two.Dir = dir
	h := startHost(t, job(two, one, two))
	h.done()
	// ls itself opens descriptor 4 (the directory); nothing else is inherited.
	for proc, want := range []string{"0 4 0 4 test 3 kept old", "1 4 1 4 test 3 kept new", "3 4 3 4 test 3 kept old"} {
		got := strings.Split(h.output(proc, false), "\n")
		if len(got) != 3 || got[0] != want || got[1] != dir || got[2] != "0 1 2 3 4 " {
			t.Errorf("process %d: got %q, want %q in %s with descriptors 0 to 4", proc, got, want, dir)
		}
	}
}

func TestExitCodesAndSignals(t *testing.T) {
	h := startHost(t, job(shell("exit 0"), shell("exit 255"), shell("kill -9 $$"), shell("kill -SEGV $$"), shell("kill -TERM $$")))
	h.done()
	for proc, want := range []wire.Exit{{Code: 0}, {Code: 255}, {Code: 137, Signal: 9}, {Code: 139, Signal: 11}, {Code: 143, Signal: 15}} {
		got := h.exit(proc)
		if got.Code != want.Code || got.Signal != want.Signal || got.Stop || got.Error != "" || got.RSS <= 0 {
			t.Errorf("process %d: got %+v, want %+v", proc, *got, want)
		}
	}
}

func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "#!/bin/sh\n", 0o600)
	cases := []struct {
		name  string
		spec  wire.ProcSpec
		code  int
		texts []string
	}{
		{"missing", wire.ProcSpec{Path: dir + "/missing"}, 127, []string{dir + "/missing", "no such program"}},
		{"below a file", wire.ProcSpec{Path: plain + "/x"}, 127, []string{plain + "/x"}},
		{"not in PATH", wire.ProcSpec{Path: "no-such-program-here"}, 127, []string{"no-such-program-here", "$PATH"}},
		{"no permission", wire.ProcSpec{Path: plain}, 126, []string{plain, "not executable"}},
		{"directory", wire.ProcSpec{Path: dir}, 126, []string{dir, "directory"}},
		{"text", wire.ProcSpec{Path: file("text", "hello\n", 0o700)}, 126, []string{"text", "not a program"}},
		{"interpreter", wire.ProcSpec{Path: file("script", "#!/no/such/shell\n", 0o700)}, 126, []string{"script", "interpreter"}},
		{"working directory", wire.ProcSpec{Path: "/bin/true", Dir: dir + "/gone"}, 125, []string{"working directory", dir + "/gone"}},
		{"file as directory", wire.ProcSpec{Path: "/bin/true", Dir: plain}, 125, []string{"working directory", plain, "not a directory"}},
		{"relative to directory", wire.ProcSpec{Path: "./plain", Dir: dir}, 126, []string{"./plain"}},
	}
	var procs []wire.ProcSpec
	for _, c := range cases {
		procs = append(procs, c.spec)
	}
	h := startHost(t, job(append(procs, shell("exit 0"))...))
	h.done()
	for i, c := range cases {
		e := h.exit(i)
		if e.Code != c.code {
			t.Errorf("%s: code %d, want %d (%s)", c.name, e.Code, c.code, e.Error)
		}
		for _, text := range c.texts {
			if !strings.Contains(e.Error, text) {
				t.Errorf("%s: %q does not say %q", c.name, e.Error, text)
			}
		}
	}
	if e := h.exit(len(cases)); e.Code != 0 || e.Error != "" {
		t.Errorf("the good one: %+v", e)
	}
}

func TestInput(t *testing.T) {
	cat := shell("cat; echo end")
	cat.Stdin = true
	h := startHost(t, job(cat, shell("cat; echo empty")))
	// The launcher sends only what the process has room for.
	want := strings.Repeat("0123456789abcdef", 20000)
	await(h, func(m *wire.Started) bool { return m.Proc == 0 })
	for sent := 0; sent < len(want); {
		window := 0
		h.send(&wire.Offer{Proc: 0})
		h.until("room for input", func(log []wire.Message) bool {
			window = -sent
			for _, m := range log {
				if w, ok := m.(*wire.Want); ok && w.Proc == 0 {
					window += w.N
				}
			}
			return window > 0
		})
		n := min(window, len(want)-sent, 30000)
		h.send(&wire.Input{Proc: 0, Data: []byte(want[sent : sent+n])})
		sent += n
	}
	h.send(&wire.Input{Proc: 0})
	h.send(&wire.Input{Proc: 0, Data: []byte("too late")})
	h.send(&wire.Input{Proc: 1, Data: []byte("never asked for")})
	h.send(&wire.Input{Proc: 77, Data: []byte("nobody")})
	h.done()
	if got := h.output(0, false); got != want+"end\n" {
		t.Errorf("process 0 wrote %d bytes, want its %d of input and the end", len(got), len(want))
	}
	if got := h.output(1, false); got != "empty\n" {
		t.Errorf("process 1 read %q from /dev/null", got)
	}
}

func TestInputOfAProcessThatDoesNotRead(t *testing.T) {
	deaf, closed := shell("echo there; read x < /dev/null; sleep 1000"), shell("exec 0<&-; echo closed; sleep 1000")
	deaf.Stdin, closed.Stdin = true, true
	h := startHost(t, job(deaf, closed))
	h.awaitOutput(1, "closed")
	for proc := range 2 {
		for range 4 {
			h.send(&wire.Input{Proc: proc, Data: make([]byte, 64<<10)}) // more than the pipe holds
		}
	}
	h.send(new(wire.Inspect))
	await(h, anyOf[*wire.Report])
	h.send(&wire.Stop{Now: true})
	h.done()
}

func TestGone(t *testing.T) {
	listener := wire.ProcSpec{Job: "listen"}
	quit := shell("read x; exit 5")
	fine := shell("read x; exit 0")
	quit.Stdin, fine.Stdin = true, true
	h := startHost(t, job(listener, quit, fine, wire.ProcSpec{Path: "/no/such/file"}))
	h.awaitOutput(0, "listening")
	h.awaitOutput(0, "Gone &{Ranks:[3] Finished:false Part:false Why:/no/such/file")
	h.send(&wire.Input{Proc: 1})
	h.awaitOutput(0, "Gone &{Ranks:[1] Finished:false Part:false Why:exit code 5 Lost:0}")
	h.send(&wire.Input{Proc: 2})
	h.awaitOutput(0, "Gone &{Ranks:[2] Finished:true Part:false Why: Lost:0}")
	h.send(&wire.Gone{Ranks: []int{40, 41}, Why: "host lost"})
	h.awaitOutput(0, "Gone &{Ranks:[40 41] Finished:false Part:false Why:host lost Lost:0}")
	h.send(&wire.Stop{Cause: wire.Failure{Rank: 1, Text: "rank 1 is to blame"}, Signal: int(syscall.SIGCONT)})
	if e := h.exit(0); e.Code != 3 || !e.Stop {
		t.Errorf("exit of the listener: %+v", e)
	}
	h.done()
	if out := h.output(0, false); !strings.Contains(out, "rank 1 is to blame") {
		t.Errorf("no cause in %q", out)
	}
}

// TestLateAttach: a process that attaches when others have ended, and even when
// the job is being stopped, is told all that it has missed, once.
func TestLateAttach(t *testing.T) {
	late, quit, fine := wire.ProcSpec{Job: "late"}, shell("exit 5"), shell("exit 0")
	late.Stdin = true
	h := startHost(t, job(late, quit, fine, late, wire.ProcSpec{Path: "/no/such/file"}))
	h.awaitOutput(0, "waiting")
	h.awaitOutput(3, "waiting")
	for _, proc := range []int{1, 2, 4} {
		h.exit(proc)
	}
	h.send(&wire.Gone{Ranks: []int{40, 41}, Why: "host lost"})
	h.send(&wire.Gone{Ranks: []int{50}, Finished: true})
	h.send(new(wire.Inspect)) // answered after what was said before it
	await(h, anyOf[*wire.Report])
	h.send(&wire.Input{Proc: 0, Data: []byte("\n")})
	missed := []string{
		"Gone &{Ranks:[1] Finished:false Part:false Why:exit code 5 Lost:0}",
		"Gone &{Ranks:[4] Finished:false Part:false Why:/no/such/file",
		"Gone &{Ranks:[40 41] Finished:false Part:false Why:host lost Lost:0}",
	}
	for _, text := range missed {
		h.awaitOutput(0, text)
	}
	h.send(&wire.Stop{Cause: wire.Failure{Rank: 1, Text: "rank 1 is to blame"}, Signal: int(syscall.SIGCONT)})
	h.exit(0) // it was told the cause
	h.send(&wire.Input{Proc: 3, Data: []byte("\n")})
	if e := h.exit(3); e.Code != 3 {
		t.Errorf("exit of the last: %+v", e)
	}
	h.done()
	for _, proc := range []int{0, 3} {
		out := h.output(proc, false)
		for _, text := range append(missed, "rank 1 is to blame") {
			if strings.Count(out, text) != 1 {
				t.Errorf("process %d heard %q %d times:\n%s", proc, text, strings.Count(out, text), out)
			}
		}
		for _, rank := range []string{"2", "50"} { // those that ended well come together or one by one
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.Contains(line, "Finished:true") && slices.Contains(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '[' || r == ']' }), rank)
			}
			if !found {
				t.Errorf("process %d has not heard that rank %s finished:\n%s", proc, rank, out)
			}
		}
	}
}

func TestFailedAndProgress(t *testing.T) {
	h := startHost(t, job(wire.ProcSpec{Job: "fail"}))
	h.done()
	f := await(h, anyOf[*wire.Failed]).Failure
	if f.Rank != 0 || f.Text != "it broke" || f.Host != "here" {
		t.Errorf("failure %+v", f)
	}
	if p := await(h, anyOf[*wire.Progress]); p.Done != 3 || p.Total != 4 {
		t.Errorf("progress %+v", p)
	}
	failed, exited := -1, -1
	for i, m := range h.log {
		switch m.(type) {
		case *wire.Failed:
			failed = i
		case *wire.Exit:
			exited = i
		}
	}
	if failed > exited {
		t.Errorf("Failed (%d) after Exit (%d)", failed, exited)
	}
}

// A process that never reads its control socket holds nobody up.
func TestDeafProcess(t *testing.T) {
	h := startHost(t, job(shell("echo there; sleep 1000"), wire.ProcSpec{Job: "listen"}))
	h.awaitOutput(1, "listening")
	why := strings.Repeat("x", 10000)
	for i := range 300 { // 3 MB: far more than a socket takes
		h.send(&wire.Gone{Ranks: []int{i}, Why: why})
	}
	h.send(&wire.Gone{Ranks: []int{12345}})
	h.awaitOutput(1, "Gone &{Ranks:[12345]")
	h.send(&wire.Stop{Now: true})
	h.done()
}

func TestWrongStart(t *testing.T) {
	cases := map[string]struct {
		m    wire.Message
		text string
	}{
		"version":  {&wire.Start{Version: wire.Version + 1}, "version"},
		"no Start": {new(wire.Inspect), "not Start"},
		"none":     {&wire.Start{Version: wire.Version}, "no process"},
		"twice":    {&wire.Start{Version: wire.Version, Procs: []wire.ProcSpec{{Proc: 1}, {Proc: 1}}}, "given twice"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := launchGuard(t)
			h.send(new(wire.Beat)) // while files are brought
			h.send(c.m)
			trouble := await(h, anyOf[*wire.Trouble])
			if trouble.Stage != "start" || !strings.Contains(trouble.Text, c.text) {
				t.Errorf("%+v", trouble)
			}
			h.awaitExit()
			if code := h.cmd.ProcessState.ExitCode(); code != guard.Refused {
				t.Errorf("exit code %d, want %d", code, guard.Refused)
			}
		})
	}
}

func Test93Processes(t *testing.T) {
	var procs []wire.ProcSpec
	for range 93 {
		procs = append(procs, shell("echo rank $GRIDRUN_RANK"))
	}
	h := startHost(t, job(procs...))
	h.done()
	for p := range procs {
		if got, want := h.output(p, false), fmt.Sprintf("rank %d\n", p); got != want {
			t.Errorf("process %d: %q", p, got)
		}
	}
}

// -x goes before a style, a style before what is inherited.
func TestEnvironOrder(t *testing.T) {
	t.Setenv("OMPI_COMM_WORLD_RANK", "99")
	t.Setenv("WORLD_SIZE", "99")
	spec := shell("echo $OMPI_COMM_WORLD_RANK; echo $WORLD_SIZE $RANK $MASTER_PORT")
	spec.Env = []string{"MASTER_PORT=5"}
	s := job(spec)
	s.EnvStyles = []string{"torchrun"}
	h := startHost(t, s)
	h.done()
	if got := h.output(0, false); got != "\n1 0 5\n" {
		t.Errorf("%q", got)
	}
}
