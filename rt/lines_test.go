package rt

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// A shaky writer fails every other time.
type shaky struct {
	bytes.Buffer
	calls int
}

func (s *shaky) Write(b []byte) (int, error) {
	if s.calls++; s.calls%2 == 0 {
		return 0, errors.New("no space left")
	}
	return s.Buffer.Write(b)
}

func TestLines(t *testing.T) {
	out := &shaky{}
	l := &lineWriter{w: out}
	a, b := l.fork(), l.fork()
	for _, w := range []struct {
		to   int
		text string
		ok   bool
	}{
		{0, "half ", true},
		{1, "whole\nsec", true}, // written
		{0, "a line\n", false},  // lost, and said so
		{1, "ond\n", true},      // not again the lost one
		{0, "rest", true},
	} {
		n, err := []interface{ Write([]byte) (int, error) }{a, b}[w.to].Write([]byte(w.text))
		if (err == nil) != w.ok || w.ok && n != len(w.text) {
			t.Fatalf("%q: %d %v", w.text, n, err)
		}
	}
	if got := out.String(); got != "whole\nsecond\n" {
		t.Fatalf("%q", got)
	}
	out.calls = 0
	l.flush()
	if got := out.String(); got != "whole\nsecond\nrest" {
		t.Fatalf("%q", got)
	}
}

func TestEndlessLineIsNotKept(t *testing.T) {
	var out bytes.Buffer
	w := (&lineWriter{w: &out}).fork()
	w.Write([]byte(strings.Repeat("x", maxLine)))
	w.Write([]byte("y"))
	if out.Len() != maxLine+1 {
		t.Fatalf("%d bytes came through", out.Len())
	}
}
