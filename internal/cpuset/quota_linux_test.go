package cpuset

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/internal/needs"
)

// TestUsableHere has the kernel limit a process, by whichever version of control
// groups this machine has.
func TestUsableHere(t *testing.T) {
	if want := os.Getenv("CPUSET_TEST_QUOTA"); want != "" {
		fmt.Printf("usable %.3f\n", Usable())
		return
	}
	needs.Root(t, "control groups")
	before := Usable()
	group := limited(t, 40_000)
	if group == "" {
		t.Log("no control group with a CPU quota can be made here")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := `echo $$ >"$1/cgroup.procs" && exec "$2" -test.run '^TestUsableHere$'`
	cmd := exec.Command("sh", "-c", script, "sh", group, self)
	cmd.Env = append(os.Environ(), "CPUSET_TEST_QUOTA=1")
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("usable %.3f\n", min(before, 0.4)); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, want %q in %q", err, want, out)
	}
}

// limited makes a control group below this process's with so many microseconds in
// each 100 ms, "" where there is none to be had.
func limited(t *testing.T, quota int) string {
	for _, c := range []struct{ root, file, text string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", fmt.Sprint(quota)},
		{"/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", fmt.Sprint(quota)},
		{"/sys/fs/cgroup", "cpu.max", fmt.Sprintf("%d 100000", quota)},
	} {
		group := filepath.Join(c.root, fmt.Sprintf("gridrun-test-%d", os.Getpid()))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(group); err != nil {
				t.Error(err)
			}
		})
		if _, err := os.Stat(filepath.Join(group, "cgroup.procs")); err != nil {
			continue // an ordinary directory
		}
		if os.WriteFile(filepath.Join(group, c.file), []byte(c.text), 0) == nil {
			return group
		}
	}
	return ""
}
