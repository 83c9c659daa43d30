package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridrun/launcher/registry"
)

// A process of a job, found by a variable that all of its processes inherit.
type process struct {
	pid, ppid int
	args      []string
}

func find(marker string) (found []process) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ")
		if err != nil || !bytes.Contains(env, []byte(marker)) {
			continue
		}
		line, _ := os.ReadFile(dir + "/cmdline")
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		after := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		p := process{args: strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")}
		p.pid, _ = strconv.Atoi(filepath.Base(dir))
		p.ppid, _ = strconv.Atoi(after[1])
		if after[0] != "Z" {
			found = append(found, p)
		}
	}
	return found
}

// until polls what for some seconds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func hostname(t *testing.T) string {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestNothingStays kills one process of a running job, of each kind, with
// SIGKILL: all others must go, whatever they do about signals, and gridrun's
// exit code must tell.
func TestNothingStays(t *testing.T) {
	self := filepath.Join(bin(t), "gridrun")
	for _, c := range []struct {
		victim string
		is     func(p process) bool
		code   int
		says   string
	}{
		{"gridrun", func(p process) bool { return len(p.args) > 3 && p.args[1] == "-np" }, -1, ""},
		{"guard", func(p process) bool { return len(p.args) > 1 && p.args[1] == "__guard" }, 125, "the guard process is gone"},
		{"agent", func(p process) bool { return len(p.args) > 1 && p.args[1] == "__agent" }, 125, "the agent ended unexpectedly"},
		{"rank", func(p process) bool { return p.args[0] == "/bin/sh" }, 137, "was killed by signal 9"},
		{"grandchild", func(p process) bool { return p.args[0] == "sleep" && p.args[1] == "1001" }, 42, "exited with code 42"},
	} {
		t.Run(c.victim, func(t *testing.T) {
			t.Parallel()
			marker := fmt.Sprintf("GRIDRUN_TEST_MARKER=%d-%s", os.Getpid(), c.victim)
			// Each rank has a child that it waits for and one that it has forgotten, in a session of its own.
			hosts := "localhost:3" // gridrun itself is the guard
			if c.victim == "guard" {
				hosts = "localhost:2," + hostname(t) + ":1" // two agents, with a guard each
			}
			cmd := exec.Command(self, "-np", "3", "-H", hosts, "--grace", "0.2", "/bin/sh", "-c", `trap "" TERM; setsid sleep 1002 & sleep 1001; exit 42`)
			tmp := t.TempDir()
			cmd.Env = append(os.Environ(), marker, "TMPDIR="+tmp)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			running := func(arg string) (n int) {
				for _, p := range find(marker) {
					if len(p.args) > 1 && p.args[0] == "sleep" && p.args[1] == arg {
						n++
					}
				}
				return n
			}
			until(t, "all ranks and their children run", func() bool { return running("1001") == 3 && running("1002") == 3 })
			for _, p := range find(marker) {
				if c.is(p) {
					if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(stderr.String(), c.says) {
				t.Errorf("code %d, want %d and %q:\n%s", got, c.code, c.says, &stderr)
			}
			until(t, "nothing of the job runs", func() bool { return len(find(marker)) == 0 })
			// Of a gridrun that was killed its socket stays, until somebody looks for jobs.
			own := filepath.Join(tmp, fmt.Sprintf("gridrun-%d", os.Getuid()))
			live, err := registry.Jobs(own)
			sockets, _ := os.ReadDir(own)
			files, _ := os.ReadDir(tmp)
			if err != nil || len(live)+len(sockets) > 0 || len(files) > 1 {
				t.Errorf("files are left: %v, %v, jobs %v, %v", files, sockets, live, err)
			}
		})
	}
}
