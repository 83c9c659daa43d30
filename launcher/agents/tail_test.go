package agents

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	ended := errors.New("exit status 2")
	stacks := strings.Repeat("runtime.throw({0xc62f2b?})\n\t/usr/lib/go/src/runtime/panic.go:1229 +0x48\n", 500)
	for _, c := range []struct {
		said []string
		want string
	}{
		{nil, "exit status 2"},
		{[]string{" some\n", "trouble\n\n"}, "exit status 2; it said:\nsome\ntrouble"},
		{[]string{"begin", strings.Repeat("x", maxTail-3), "end"}, "exit status 2; it said:\n" + strings.Repeat("x", maxTail-3) + "end"},
		{[]string{"runtime: failed to create new OS thread (have 3 already; errno=11)\n", "fatal error: newosproc\n\n", stacks},
			"exit status 2: it may not start as many threads as it needs: see ulimit -u there, and pids.max of the control group"},
		{[]string{"fatal error: failed to reserve page summary memory\n", stacks}, "exit status 2: it may not reserve the addresses that it needs: see ulimit -v there"},
		{[]string{strings.Repeat("y", 2*maxHead), "runtime: out of memory: cannot allocate 4194304-byte block (0 in use)\n"},
			"exit status 2: it could not get memory: see ulimit -v there, and the memory limit of the control group"},
	} {
		var tail Tail
		for _, text := range c.said {
			io.WriteString(&tail, text)
		}
		err := tail.With(ended)
		if err == nil || err.Error() != c.want || !errors.Is(err, ended) {
			t.Errorf("%.60q: %.300q, want %.300q", c.said, err, c.want)
		}
		if tail.With(nil) != nil {
			t.Error("no error becomes one")
		}
	}
}
