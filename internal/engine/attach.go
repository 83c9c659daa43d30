package engine

import (
	"io"
	"sync"
)

// attachments are what packages above hang on a group.
type attachments struct {
	mu   sync.Mutex
	held map[any]any
}

// Attached returns what is attached to the group on this rank under key, which
// make supplies the first time. Close closes it if it is an io.Closer.
func (c *Comm) Attached(key any, make func() any) any {
	a := &c.attachments
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.held[key]
	if !ok {
		v = make()
		if a.held == nil {
			a.held = map[any]any{}
		}
		a.held[key] = v
	}
	return v
}

func (a *attachments) close() {
	a.mu.Lock()
	held := a.held
	a.held = nil
	a.mu.Unlock()
	for _, v := range held {
		if c, ok := v.(io.Closer); ok {
			c.Close()
		}
	}
}
