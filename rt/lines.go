package rt

import (
	"bytes"
	"io"
	"sync"
)

// A lineWriter shares one output among the ranks of a process: it passes on
// whole lines, so that lines of different ranks never mix.
type lineWriter struct {
	mu    sync.Mutex
	w     io.Writer
	ranks []*rankWriter
}

// maxLine is the longest line that is kept whole.
const maxLine = 64 << 10

type rankWriter struct {
	out  *lineWriter
	rest []byte
}

func (l *lineWriter) fork() io.Writer {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &rankWriter{out: l}
	l.ranks = append(l.ranks, r)
	return r
}

func (r *rankWriter) Write(b []byte) (int, error) {
	l := r.out
	l.mu.Lock()
	defer l.mu.Unlock()
	r.rest = append(r.rest, b...)
	end := bytes.LastIndexByte(r.rest, '\n') + 1
	if len(r.rest)-end > maxLine {
		end = len(r.rest)
	}
	if end > 0 {
		_, err := l.w.Write(r.rest[:end])
		r.rest = append(r.rest[:0], r.rest[end:]...)
		if err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// flush writes what has no newline yet.
func (l *lineWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.ranks {
		l.w.Write(r.rest)
		r.rest = nil
	}
}
