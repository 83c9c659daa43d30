package agents

import (
	"fmt"
	"strings"
	"sync"
)

// maxTail is how much of an agent's standard error is kept, in bytes, and maxHead
// of its beginning, beside that.
const (
	maxTail = 8 << 10
	maxHead = 1 << 10
)

// A Tail keeps the end of what is written to it: what an agent said last, for
// the error that names it.
type Tail struct {
	mu   sync.Mutex
	head []byte
	text []byte
}

func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head = append(t.head, b[:min(len(b), maxHead-len(t.head))]...)
	t.text = append(t.text, b...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// String is what is kept, without the blanks around it.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// With adds what is kept to the error of who has said it; nil stays nil.
func (t *Tail) With(err error) error {
	if why := t.limit(); err != nil && why != "" {
		return fmt.Errorf("%w: %s", err, why)
	}
	if said := t.String(); err != nil && said != "" {
		return fmt.Errorf("%w; it said:\n%s", err, said)
	}
	return err
}

// limits are what Go's runtime says when it ends for a limit, before some pages of
// stacks, and what that is about.
var limits = []struct{ says, why string }{
	{"failed to create new OS thread", "it may not start as many threads as it needs: see ulimit -u there, and pids.max of the control group"},
	{"failed to reserve page summary memory", "it may not reserve the addresses that it needs: see ulimit -v there"},
	{"runtime: out of memory", "it could not get memory: see ulimit -v there, and the memory limit of the control group"},
}

// limit is the limit that the agent has met; "" if there is none.
func (t *Tail) limit() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range limits {
		if strings.Contains(string(t.head), l.says) || strings.Contains(string(t.text), l.says) {
			return l.why
		}
	}
	return ""
}
