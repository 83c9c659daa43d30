// Package needs says what a test cannot do without. A missing program is a
// printed skip on a developer's machine and a failure in CI, never a silent pass.
package needs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Command returns the path of a program that Debian's package pkg holds.
func Command(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	missing(t, "the program "+name+" (Debian package "+pkg+")")
	return ""
}

// Root requires the rights of root, for what.
func Root(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root, for "+what)
	}
}

// Memory requires so many bytes of memory that nobody uses.
func Memory(t testing.TB, bytes int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		missing(t, "/proc/meminfo")
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil && kib<<10 >= bytes {
			return
		}
	}
	missing(t, fmt.Sprintf("%d MiB of free memory", bytes>>20))
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("needs %s: CI must install it", what)
	}
	t.Skipf("SKIP-NEEDS: %s", what)
}
