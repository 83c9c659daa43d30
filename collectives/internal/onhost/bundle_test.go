package onhost

import (
	"bytes"
	"errors"
	"testing"

	"gridrun/internal/engine"
)

// What Unpack takes is what Pack makes, and nothing else; it never panics.
func FuzzUnpack(f *testing.F) {
	f.Add(Pack(nil), 0)
	f.Add(Pack([][]byte{nil}), 1)
	f.Add(Pack([][]byte{{1, 2}, nil, {3}}), 3)
	f.Add(Pack([][]byte{{1, 2}, nil, {3}}), 2)
	f.Add(bytes.Repeat([]byte{255}, 24), 3)
	f.Add([]byte{9, 0, 0, 0, 0, 0, 0, 0, 1}, 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = int(uint(n) % 100)
		parts, err := Unpack(b, n)
		switch {
		case err != nil && !errors.Is(err, engine.ErrMismatch):
			t.Fatal(err)
		case err == nil && (len(parts) != n || !bytes.Equal(Pack(parts), b)):
			t.Fatalf("%d blocks of %v are %v", n, b, parts)
		}
	})
}
