package main

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCancelled ends jobs of this machine at random moments by one signal or two, as
// Ctrl-C and closed terminals do, before anything runs, in the middle, and at the end:
// the exit code says so, and nothing is left.
//
//	GRIDRUN_CANCELS=200 go test -run TestCancelled ./cmd/gridrun
func TestCancelled(t *testing.T) {
	count := 12
	if n, err := strconv.Atoi(os.Getenv("GRIDRUN_CANCELS")); err == nil {
		count = n
	}
	dir := t.TempDir()
	tmp, run, out := filepath.Join(dir, "tmp"), filepath.Join(dir, "run"), filepath.Join(dir, "out")
	for _, d := range []string{tmp, run, out} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tag := "GRIDRUN_TEST_TAG=" + dir
	gridrun := filepath.Join(bin(t), "gridrun")
	programs := [][]string{
		{"sh", "-c", "echo hi; sleep 9"},
		{"sh", "-c", "trap '' INT TERM HUP; sleep 9"},
		{"sh", "-c", "sleep 9 & echo x"},
		{"windshear"},
		{"__hello"},
		{"__message", "9000", "exchange:8,32768"},
	}
	flags := [][]string{nil, {"--output-dir", out}, {"--trace", out + "/t"}, {"--transport", "tcp"}, {"--on-failure", "continue"},
		{"--ranks-per-process", "2"}, {"--stats-file", out + "/s", "--profile", out + "/p"}}
	for range count {
		args := []string{"-np", strconv.Itoa([]int{1, 2, 5}[rand.IntN(3)]), "--grace", "0.3"}
		args = append(append(args, flags[rand.IntN(len(flags))]...), programs[rand.IntN(len(programs))]...)
		signal := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[rand.IntN(3)]
		twice := rand.IntN(3) == 0
		moment := time.Duration(rand.Int64N([]int64{20, 100, 600}[rand.IntN(3)]) * int64(time.Millisecond))
		cmd := exec.Command(gridrun, args...)
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "XDG_RUNTIME_DIR="+run, "XDG_CONFIG_HOME="+dir, tag)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		cmd.WaitDelay = patient
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		hangs := time.AfterFunc(patient, func() { cmd.Process.Kill() })
		time.Sleep(moment) // by chance, and whatever is reached by then must end
		cmd.Process.Signal(signal)
		if twice {
			time.Sleep(moment / 8)
			cmd.Process.Signal(signal)
		}
		err := cmd.Wait()
		hangs.Stop()
		s := cmd.ProcessState.Sys().(syscall.WaitStatus)
		what := func(format string, more ...any) {
			t.Errorf("gridrun %s, %v after %v, twice %t: "+format+"\n%s", append(append([]any{strings.Join(args, " "), signal, moment, twice}, more...), stderr.String())...)
		}
		// Before it has begun to listen a signal is its end; after the job it is nothing.
		if code := s.ExitStatus(); code != 0 && code != 128+int(signal) && !(s.Signaled() && s.Signal() == signal) {
			what("%v", err)
		}
		if strings.Contains(stderr.String(), "goroutine ") {
			what("a panic")
		}
		var left []string
		for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if left = tagged(tag); len(left) == 0 {
				break
			}
		}
		for _, d := range []string{tmp, run} {
			filepath.WalkDir(d, func(path string, e fs.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					left = append(left, path)
				}
				return nil
			})
		}
		if len(left) > 0 {
			what("left behind: %v", left)
		}
	}
}

// tagged are the processes with a variable in their environment.
func tagged(variable string) (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(variable+"\x00")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			found = append(found, filepath.Dir(path)+" "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}
