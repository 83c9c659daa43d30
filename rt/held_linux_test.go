package rt

import (
	"runtime"
	"testing"
)

func TestHeldGrowsWithWhatIsTouched(t *testing.T) {
	before := held()
	if before < 1<<20 {
		t.Fatalf("a process of %d bytes", before)
	}
	const more = 64 << 20
	b := make([]byte, more)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	if after := held(); after < more {
		t.Errorf("%d bytes after %d were touched, %d before", after, more, before)
	}
	runtime.KeepAlive(b)
}
