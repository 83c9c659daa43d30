package cpuset

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A thread that has bound itself starts bound processes; the others stay free.
func TestBind(t *testing.T) {
	all, err := Allowed()
	if err != nil {
		t.Fatal(err)
	}
	one := Set{all[len(all)-1]}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		defer all.Bind()       // it may be the thread that the process is known by
		if err := one.Bind(); err != nil {
			t.Error(err)
			return
		}
		out, err := exec.Command("grep", "Cpus_allowed_list", "/proc/self/status").Output()
		if err != nil || strings.Fields(string(out))[1] != one.String() {
			t.Errorf("%v bound: child has %q, %v", one, out, err)
		}
		if got, err := Of(0); err != nil || !slices.Equal(got, one) {
			t.Errorf("thread has %v, %v", got, err)
		}
		if err := (Set{MaxCPU}).Bind(); err == nil || !strings.Contains(err.Error(), "CPU 8191") {
			t.Errorf("a CPU that does not exist: %v", err)
		}
	}()
	<-done
	if got, err := Allowed(); err != nil || !slices.Equal(got, all) {
		t.Errorf("process has %v after %v, %v", got, all, err)
	}
}
