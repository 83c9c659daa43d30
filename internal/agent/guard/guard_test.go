package guard

import (
	"strings"
	"syscall"
	"testing"
)

// In a container without /proc the message says so.
func TestUnmounted(t *testing.T) {
	if err := unmounted(syscall.ENOENT, t.TempDir()+"/self/exe"); err == nil || !strings.HasSuffix(err.Error(), "/self/exe; mount /proc") {
		t.Error(err)
	}
	for _, err := range []error{nil, syscall.EAGAIN, syscall.ENOENT} {
		if got := unmounted(err, SelfExe); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
