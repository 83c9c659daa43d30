//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A job whose gridrun is stopped does not answer. ps and stacks say so, and show
// the others; when it goes on, so does what is known of it.
func TestStoppedJob(t *testing.T) {
	t.Parallel()
	dir := bin(t)
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	gridrun := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(dir, "gridrun"), args...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+run, "XDG_CONFIG_HOME="+dir)
		return cmd
	}
	var jobs []*exec.Cmd
	for _, seconds := range []string{"1001", "1002"} {
		job := gridrun("-np", "2", "sleep", seconds)
		job.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := job.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			job.Process.Signal(syscall.SIGCONT)
			job.Process.Signal(syscall.SIGTERM)
			job.Wait()
		})
		jobs = append(jobs, job)
	}
	// ps says what is known of each job: the line that its program is in.
	line := func(program string) []string {
		out, err := gridrun("ps").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for l := range strings.Lines(string(out)) {
			if strings.Contains(l, program) {
				return strings.Fields(l)
			}
		}
		return nil
	}
	is := func(program, state string) bool {
		l := line(program)
		return len(l) > 1 && l[1] == state
	}
	poll(t, "both run", func() bool { return is("sleep 1001", "running") && is("sleep 1002", "running") })
	id := line("sleep 1001")[0]
	if err := jobs[0].Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	poll(t, "the first is stopped", func() bool { return is("sleep 1001", "stopped") })
	if !is("sleep 1002", "running") {
		t.Errorf("the other job: %q", line("sleep 1002"))
	}
	out, err := gridrun("stacks", id).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "kill -CONT "+strconv.Itoa(jobs[0].Process.Pid)) {
		t.Errorf("%v: %s", err, out)
	}
	jobs[0].Process.Signal(syscall.SIGCONT)
	poll(t, "it goes on", func() bool { return is("sleep 1001", "running") })
}
