package agent

import (
	"strings"
	"testing"

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
		want := `test proc=0 ranks=[0 1] args=["a" "b c"] segment=true bytes=true key=32 topology=3/2` + "\n"
		if transport == "tcp" {
			want = strings.ReplaceAll(want, "true", "false")
		}
		if got := h.output(0, false); got != want {
			t.Errorf("%q: got %q, want %q", transport, got, want)
		}
	}
}
