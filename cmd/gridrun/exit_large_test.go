//go:build !race

package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLargeAddressSpace: too few addresses for Go's runtime are named in one line. The
// race detector alone needs more than the limit leaves.
func TestLargeAddressSpace(t *testing.T) {
	cmd := exec.Command("sh", "-c", `ulimit -v 1000000; exec "$0" -np 1 true`, filepath.Join(bin(t), "gridrun"))
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	const want = "the limit of address space is 1000000 KiB, gridrun and each of its ranks need 1572864: ulimit -v"
	if !errors.As(err, &exit) || exit.ExitCode() != 125 || !strings.Contains(string(text), want) || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%v, want exit code 125 and one line with %q:\n%s", err, want, text)
	}
}
