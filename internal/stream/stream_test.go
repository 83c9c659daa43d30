package stream

import (
	"bytes"
	"math"
	"testing"
	"unsafe"
)

// TestCopy: every length and alignment, in one call and in several, past the cache
// and not; nothing beside dst is written.
func TestCopy(t *testing.T) {
	const room = 70 << 10
	from, to := make([]byte, room+256), make([]byte, room+256)
	for i := range from {
		from[i] = byte(i*7 + i>>8)
	}
	check := func(n, di, si, written int) {
		t.Helper()
		clear(to)
		skip := int(-uintptr(unsafe.Pointer(&to[0])) % 64)
		dst, src := to[skip+di:][:n], from[si:][:n]
		Copy(dst, src, written)
		if !bytes.Equal(dst, src) {
			t.Fatalf("%d bytes from %d to %d, %d in all: another text", n, si, di, written)
		}
		if left := bytes.Trim(to[:skip+di], "\x00"); len(left) > 0 {
			t.Fatalf("%d bytes from %d to %d: writes before them", n, si, di)
		}
		if right := bytes.Trim(to[skip+di+n:], "\x00"); len(right) > 0 {
			t.Fatalf("%d bytes from %d to %d: writes behind them", n, si, di)
		}
	}
	far := math.MaxInt
	for n := range 300 {
		check(n, n%64, (n*5)%64, far)
	}
	for at := range 64 {
		check(200, at, 0, far)
		check(1000, 0, at, far)
	}
	check(room, 1, 2, far)
	check(room, 0, 0, far)
	check(room, 1, 2, room)
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int{
		"32768K\n": 32 << 20, "1M": 1 << 20, "512\n": 512,
		"": 0, "K": 0, "-1K": 0, "0": 0, "32G": 0, "99999999M": 0,
	} {
		if n, ok := size(text); n != want || ok != (want > 0) {
			t.Errorf("%q is %d, %v; want %d", text, n, ok, want)
		}
	}
	if n := last(); n < 64<<10 {
		t.Errorf("a last cache of %d bytes", n)
	}
}
