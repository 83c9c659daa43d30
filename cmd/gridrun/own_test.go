package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A job that is refused has begun to start its agent, which ends with gridrun; so
// does one whose gridrun is killed while it prepares.
func TestAgentOfARefusedJobEnds(t *testing.T) {
	self := filepath.Join(bin(t), "gridrun")
	marker := fmt.Sprintf("GRIDRUN_TEST_EARLY=%d-%d", os.Getpid(), time.Now().UnixNano())
	for _, args := range [][]string{
		{"-np", "2", "no-such-program"},
		{"-np", "2", "--stdin", "nobody", "true"},
		{"-np", "2", "--wdir", "/no/such/directory", "true"},
		{"-np", "2", "--dry-run", "true"},
	} {
		cmd := exec.Command(self, args...)
		cmd.Env = append(os.Environ(), marker)
		if out, err := cmd.CombinedOutput(); (err == nil) != (args[2] == "--dry-run") || len(out) == 0 {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
		if left := find(marker); len(left) > 0 {
			t.Errorf("%q left %v", args, left)
		}
	}

	// A Go program takes a moment to be built: this one waits for its compiler.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(self, "-np", "1", dir)
	cmd.Env = append(os.Environ(), marker, "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	isAgent := func(p process) bool { return len(p.args) > 1 && p.args[1] == "__agent" }
	until(t, "gridrun builds, and its agent waits", func() bool {
		agents, builds := 0, 0
		for _, p := range find(marker) {
			if isAgent(p) {
				agents++
			} else if p.ppid == cmd.Process.Pid {
				builds++
			}
		}
		return agents == 1 && builds == 1
	})
	cmd.Process.Kill()
	cmd.Process.Wait()
	until(t, "the agent has ended", func() bool {
		for _, p := range find(marker) {
			if isAgent(p) {
				return false
			}
		}
		return true
	})
	for _, p := range find(marker) { // go build, which gridrun does not outlive
		if q, err := os.FindProcess(p.pid); err == nil {
			q.Kill()
		}
	}
}
