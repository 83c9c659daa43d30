package agents

import (
	"fmt"
	"strings"
	"sync"
)

// maxTail is how much of an agent's standard error is kept, in bytes.
const maxTail = 8 << 10

// A Tail keeps the end of what is written to it: what an agent said last, for
// the error that names it.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
	if said := t.String(); err != nil && said != "" {
		return fmt.Errorf("%w; it said:\n%s", err, said)
	}
	return err
}
