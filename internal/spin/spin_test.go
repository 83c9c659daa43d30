package spin

import (
	"bytes"
	"testing"
)

func TestReturns(t *testing.T) {
	for range 1000 {
		Pause()
		Yield()
	}
}

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		Pause()
	}
}

func BenchmarkYield(b *testing.B) {
	for b.Loop() {
		Yield()
	}
}

func TestCopyOver(t *testing.T) {
	src := make([]byte, 4000)
	for i := range src {
		src[i] = byte(i*7 + i>>8)
	}
	for _, n := range []int{0, 1, 7, 8, 511, 512, 513, 519, 520, 1000, 3900} {
		for _, at := range []int{0, 1, 8, 63} {
			dst := make([]byte, 4000)
			CopyOver(dst[at:at+n], src[at/2:at/2+n])
			want := make([]byte, 4000)
			copy(want[at:], src[at/2:at/2+n])
			if !bytes.Equal(dst, want) {
				t.Errorf("%d bytes to %d are wrong", n, at)
			}
		}
	}
}
