// Package examples_test builds every example and runs it as a user would: by
// gridrun as processes, by gridrun as ranks of one process, and alone.
package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var sizes = []int{1, 2, 3, 5, 8}

// build compiles gridrun and the examples into a directory, as users get them:
// without the race detector, which the package's own tests have.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-race=false", "-o", dir+string(filepath.Separator), "../cmd/gridrun", "./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

func TestExamples(t *testing.T) {
	bin := build(t)
	names, err := filepath.Glob("*/main.go")
	if err != nil || len(names) < 5 {
		t.Fatalf("only %v found (%v)", names, err)
	}
	for _, name := range names {
		example := filepath.Join(bin, filepath.Dir(name))
		t.Run(filepath.Dir(name), func(t *testing.T) {
			t.Run("alone", func(t *testing.T) { run(t, example) })
			for _, n := range sizes {
				np := fmt.Sprint(n)
				t.Run(np+" processes", func(t *testing.T) { run(t, filepath.Join(bin, "gridrun"), "-np", np, example) })
				t.Run(np+" ranks in one process", func(t *testing.T) {
					run(t, filepath.Join(bin, "gridrun"), "-np", np, "--ranks-per-process", np, example)
				})
				t.Run(np+" processes over tcp", func(t *testing.T) {
					run(t, filepath.Join(bin, "gridrun"), "-np", np, "--transport", "tcp", example)
				})
			}
		})
	}
}

// run runs a command that must succeed and print something.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v %v: %v\n%s%s", filepath.Base(name), args, err, &stdout, &stderr)
	}
	if stdout.Len() == 0 {
		t.Fatalf("%v %v printed nothing", filepath.Base(name), args)
	}
}
