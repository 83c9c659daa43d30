package agent

import (
	"strings"
	"syscall"
	"testing"

	"gridrun/internal/needs"
	"gridrun/internal/wire"
)

// wrappers are kinds of commands that start others.
func wrappers(t *testing.T) map[string][]string {
	return map[string][]string{
		"becomes the program": {"nice", "-n", "1"},
		"a script that forks": {"sh", "-c", `"$@"; exit $?`, "-"},
		"another group":       {"sh", "-c", `setsid -w "$@"; exit $?`, "-"},
		"traces":              {needs.Command(t, "strace", "strace"), "-f", "-o", "/dev/null"},
	}
}

// A rank finds its agent through every wrapper, and its exit code comes back.
func TestWrap(t *testing.T) {
	var procs []wire.ProcSpec
	var names []string
	for name, words := range wrappers(t) {
		rank := wire.ProcSpec{Job: "fail", Wrap: words}
		code := shell("echo $0 $1; exit 7")
		code.Wrap = words
		procs = append(procs, rank, code)
		names = append(names, name, name)
	}
	h := startHost(t, job(procs...))
	for p := range procs {
		e := h.exit(p)
		if p%2 == 1 && e.Code != 7 {
			t.Errorf("%s: %+v, %q", names[p], e, h.output(p, false))
		}
	}
	h.done()
	reports := 0
	for _, m := range h.log {
		if f, ok := m.(*wire.Failed); ok && f.Failure.Text == "it broke" {
			reports++
		}
	}
	if reports != len(procs)/2 {
		t.Errorf("%d reports of %d ranks", reports, len(procs)/2)
	}
}

// SIGUSR1 is for the program only; SIGTERM ends all, and nothing is left.
func TestWrapSignals(t *testing.T) {
	var procs []wire.ProcSpec
	var names []string
	for name, words := range wrappers(t) {
		p := shell("trap 'echo heard' USR1; trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done")
		p.Wrap = words
		procs, names = append(procs, p), append(names, name)
	}
	h := startHost(t, job(procs...))
	for p := range procs {
		h.awaitOutput(p, "up")
	}
	h.send(&wire.Signal{Signal: int(syscall.SIGUSR1)})
	for p := range procs {
		h.awaitOutput(p, "heard")
	}
	h.send(&wire.Stop{})
	for p := range procs {
		if e := h.exit(p); !e.Stop {
			t.Errorf("%s: %+v", names[p], e)
		}
	}
	h.done()
}

func TestWrapThatIsMissing(t *testing.T) {
	a, b := shell("true"), shell("true")
	a.Wrap, b.Wrap = []string{"no-such-wrapper", "-x"}, []string{"./no/such"}
	h := startHost(t, job(a, b))
	for p, text := range []string{"--wrap: host here has no program no-such-wrapper in $PATH", "--wrap: host here has no no/such"} {
		if e := h.exit(p); e.Code != 127 || !strings.Contains(e.Error, text) {
			t.Errorf("%+v, want 127 and %q", e, text)
		}
	}
	h.done()
}
