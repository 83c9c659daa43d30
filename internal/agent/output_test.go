package agent

import (
	"fmt"
	"strings"
	"testing"

	"gridrun/internal/agent/procio"
	"gridrun/internal/wire"
)

func TestOutputIsWholeAndInOrder(t *testing.T) {
	const lines = 60000 // about 400 KB a process, more than pipes and credit hold together
	var procs []wire.ProcSpec
	for range 5 {
		procs = append(procs, shell(fmt.Sprintf("seq %d & seq -f e%%.0f %d >&2; wait", lines, lines)))
	}
	h := startHost(t, job(procs...))
	h.done()
	var out, err strings.Builder
	for i := 1; i <= lines; i++ {
		fmt.Fprintf(&out, "%d\n", i)
		fmt.Fprintf(&err, "e%d\n", i)
	}
	for p := range procs {
		if h.output(p, false) != out.String() || h.output(p, true) != err.String() {
			t.Errorf("process %d: output differs", p)
		}
		endsInOrder(t, h, p)
	}
}

// endsInOrder checks that each stream of proc that has carried something ended
// once, that Exit came after them, and that the others' end goes without saying.
func endsInOrder(t *testing.T, h *host, proc int) {
	t.Helper()
	var seen []string
	streams := 0
	for _, stderr := range []bool{false, true} {
		if h.output(proc, stderr) != "" {
			streams++
		}
	}
	for _, m := range h.log {
		switch m := m.(type) {
		case *wire.Output:
			if m.Proc == proc && m.EOF {
				seen = append(seen, fmt.Sprintf("eof %v", m.Stderr))
			} else if m.Proc == proc && len(seen) > 0 && seen[len(seen)-1] == fmt.Sprintf("eof %v", m.Stderr) {
				t.Errorf("process %d: output after its end", proc)
			}
		case *wire.Exit:
			if m.Proc == proc {
				seen = append(seen, "exit")
			}
		}
	}
	if len(seen) != streams+1 || seen[streams] != "exit" || streams == 2 && seen[0] == seen[1] {
		t.Errorf("process %d: ends %v", proc, seen)
	}
}

func TestWithoutCreditOutputWaitsAndControlFlows(t *testing.T) {
	h := launchGuard(t)
	h.grant = false
	s := job(shell("exec head -c 3000000 /dev/zero"), shell("exec head -c 3000000 /dev/zero"), wire.ProcSpec{Job: "fail"})
	complete(s)
	h.send(s)
	total := func() int { return len(h.output(0, false)) + len(h.output(1, false)) }
	h.until("the initial credit", func(log []wire.Message) bool {
		return len(output(log, 0, false))+len(output(log, 1, false)) == procio.InitialCredit
	})
	// Control messages pass both ways while output is stuck.
	await(h, anyOf[*wire.Failed])
	h.send(new(wire.Inspect))
	await(h, anyOf[*wire.Report])
	if n := total(); n != procio.InitialCredit {
		t.Errorf("%d bytes sent without credit", n-procio.InitialCredit)
	}
	h.send(&wire.Grant{N: 1})
	h.until("one more byte", func(log []wire.Message) bool {
		return len(output(log, 0, false))+len(output(log, 1, false)) == procio.InitialCredit+1
	})
	h.send(&wire.Grant{N: 6000000})
	h.done()
	if n := total(); n != 6000000 {
		t.Errorf("%d bytes of output, want 6000000", n)
	}
}

// A grandchild that holds the pipe open delays Exit by the linger time only;
// what was written before the process's death arrives.
func TestGrandchildHoldsOutput(t *testing.T) {
	h := startHost(t, job(shell("sleep 1000 & head -c 200000 /dev/zero; exit 4"), shell("read x"), shell("yes >&2 & exit 0")))
	h.grants()
	if e := h.exit(0); e.Code != 4 {
		t.Errorf("exit %+v", e)
	}
	h.exit(2)
	if n := len(h.output(0, false)); n != 200000 {
		t.Errorf("%d bytes before the end, want 200000", n)
	}
	h.done()
	endsInOrder(t, h, 0)
	endsInOrder(t, h, 2)
}
