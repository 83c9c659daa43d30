package guard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyDirectoriesOfInputsAreStageable(t *testing.T) {
	for dir, want := range map[string]bool{
		"/root/.cache/gridrun/jobs/10ad3ffe":     true,
		"/tmp/gridrun-stage-10ad3ffe":            true,
		"":                                       false,
		"/":                                      false,
		"/root":                                  false,
		"jobs/1":                                 false,
		"/jobs":                                  false,
		"/home/jobs/../me":                       false,
		"/a/jobs/1/":                             false,
		"/jobs/" + strings.Repeat("x", maxStage): false,
	} {
		if got := stageable(dir); got != want {
			t.Errorf("%q: %v", dir, got)
		}
	}
}

// What an agent claimed goes when the agent has ended, also when a process that
// it was just starting still holds the socket.
func TestSweep(t *testing.T) {
	for _, held := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "jobs", "1")
		if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		guard, agent := os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "guard")
		if _, err := agent.WriteString(dir); err != nil {
			t.Fatal(err)
		}
		if !held {
			agent.Close()
		}
		sweep(guard)
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("held %v: %s is still there (%v)", held, dir, err)
		}
		guard.Close()
		agent.Close()
	}
}
