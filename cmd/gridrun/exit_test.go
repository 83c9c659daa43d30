package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exits is the table of exit codes that users rely on.
var exits = []struct {
	when string
	args string
	code int
	says string // on standard error
}{
	{"success", "-np 2 true", 0, ""},
	{"a rank's own code", "-np 2 sh -c 'exit 3'", 3, "exited with code 3"},
	{"any code of a rank, also ours", "-np 1 sh -c 'exit 124'", 124, "exited with code 124"},
	{"killed by a signal", "-np 2 sh -c 'kill -9 $$'", 137, "killed by signal 9 (SIGKILL)"},
	{"out of time", "-np 1 --timeout 0.1 sleep 100", 124, "not finished after 100ms (--timeout)"},
	{"no arguments", "", 125, "Usage: gridrun"},
	{"no program", "-np 2", 125, "no program to run"},
	{"unknown flag", "--nproc 2 true", 125, "unknown flag --nproc; `gridrun --help` lists them"},
	{"misspelt flag", "--tag-ouput -np 2 true", 125, "unknown flag --tag-ouput; did you mean --tag-output?"},
	{"misspelt flag of mpirun", "-hostfiel f true", 125, "did you mean --hostfile?"},
	{"a flag without its value", "-np", 125, "-np needs a value"},
	{"no number", "-np many true", 125, `"many" is not a number of at least 1`},
	{"no ranks", "-np 0 true", 125, `"0" is not a number of at least 1`},
	{"too many ranks", "-np 2000000 --dry-run true", 125, "has 2000000 ranks"},
	{"no time", "--timeout soon true", 125, `"soon" is no time`},
	{"no policy", "--map-by core true", 125, "--map-by core is not understood"},
	{"no transport", "--transport pigeon true", 125, "it is shm or tcp"},
	{"too few slots", "-H localhost:2 -np 3 true", 125, "3 ranks do not fit in the 2 slots of host localhost"},
	{"an empty list of hosts", "-H '' true", 125, "--host is empty; name hosts, or leave it out"},
	{"an empty name of a hostfile", "--hostfile '' true", 125, "--hostfile is empty"},
	{"the start of a flag", "--oversub -np 2 true", 125, "did you mean --oversubscribe?"},
	{"no such ssh", "--launcher-command nosuch -H other:1 true", 125, `--launcher-command: exec: "nosuch": executable file not found`},
	{"too many processes", "-np 2000 true", 125, "2000 processes on one host, whose shared segment takes 1 to 1024; --ranks-per-process K"},
	{"nowhere for a new program", "new /proc/nosuch", 125, "new: mkdir /proc/nosuch: no such file or directory\n"},
	{"a full disk: help", "help >/dev/full", 125, "no space left"},
	{"a full disk: jobs", "jobs >/dev/full", 125, "no space left"},
	{"a full disk: version", "version >/dev/full", 125, "no space left"},
	{"a full disk: the plan", "--dry-run -np 2 true >/dev/full", 125, "no space left"},
	{"a full disk: what is up", "down >/dev/full", 125, "no space left"},
	{"no hostfile", "--hostfile nosuch true", 125, "nosuch: no such file"},
	{"no hosts in it", "--hostfile /dev/null true", 125, "/dev/null names no host"},
	{"a directory for a hostfile", "--hostfile empty true", 125, "--hostfile: open empty: is a directory"},
	{"a directory for a rankfile", "--rankfile empty true", 125, "--rankfile: open empty: is a directory"},
	{"no number of restarts", "--restarts often true", 125, `--restarts: "often" is not a number of at least 0`},
	{"nowhere for the counts", "--stats-file none/s -np 1 touch begun", 125, "--stats-file: open none/s: no such file"},
	{"nowhere for the timeline", "--trace none/t -np 1 touch begun", 125, "--trace: create none/t: no such file"},
	{"nowhere for the profile", "--profile none/p -np 1 touch begun", 125, "--profile: open none/p: no such file"},
	{"no room for the counts", "--stats-file /dev/full -np 1 true", 125, "--stats-file: write /dev/full: no space left"},
	{"no room for the timeline", "--trace /dev/full -np 1 true", 125, "--trace: write /dev/full: no space left"},
	{"no room for the profile", "--profile /dev/full -np 1 true", 125, "--profile: write /dev/full: no space left"},
	{"no room for the counts of a rank that fails", "--stats-file /dev/full -np 1 sh -c 'exit 7'", 7, "--stats-file: write /dev/full: no space left"},
	{"no room for output files", "version; ln -sf /dev/full rank.0.out; gridrun --output-dir . -np 1 echo lost", 125, "cannot write: write rank.0.out: no space left"},
	{"output files of another job", "version; gridrun --output-dir shared -np 1 sh -c 'gridrun --output-dir shared -np 1 touch begun'", 125, "exited with code 125"},
	{"output files of a job before", "version; gridrun --output-dir shared -np 2 true && gridrun --output-dir shared -np 2 true", 0, ""},
	{"a wrong variable", "version; GRIDRUN_GRACE=soon gridrun true", 125, `GRIDRUN_GRACE in the environment: "soon" is no time`},
	{"part of a verb", "bench everything", 125, "bench what? there are launch, p2p,"},
	{"a verb with arguments", "jobs now", 125, "jobs takes no arguments"},
	{"no directory", "-np 1 --wdir /nosuch true", 125, "/nosuch: no such file"},
	{"a directory that is gone", "version; mkdir gone; cd gone; rmdir ../gone; gridrun -np 1 true", 125, "the working directory has no name, it may have been removed"},
	{"a directory that is gone, and another", "version; mkdir gone; cd gone; rmdir ../gone; gridrun --wdir / -np 1 true", 0, ""},
	{"few descriptors", "version; ulimit -n 40; gridrun -np 40 sleep 9", 125, "too many open files; the agent needs some 4 descriptors for each process: see ulimit -n"},
	{"no descriptors", "version; ulimit -n 10; gridrun -np 1 true", 125, "starting the agent: pipe: too many open files; see ulimit -n"},
	{"small files", "version; ulimit -f 1; gridrun -np 1 true", 125, "file too large, see ulimit -f"},
	{"no variable", "-np 1 -x NOSUCH true", 125, "there is no such variable"},
	{"a Go package that does not build", "-np 1 ./broken", 125, "undefined: nonsense"},
	{"not executable", "-np 2 ./data", 126, "./data is not executable"},
	{"not a program", "-np 2 ./garbage", 126, "garbage is not a program for this host"},
	{"a directory without Go files", "-np 2 ./empty", 126, "without Go files"},
	{"a Go package that is no program", "-np 1 ./lib", 126, "no main package"},
	{"not found by path", "-np 2 ./nosuch", 127, "./nosuch: no such file or directory"},
	{"not found by name", "-np 93 windsheer", 127, "did you mean windshear?"},
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"data":           "x",
		"garbage":        "\x7fELF but not really",
		"go.mod":         "module example\n",
		"broken/main.go": "package main\n\nfunc main() { nonsense }\n",
		"lib/lib.go":     "package lib\n",
		"empty/readme":   "",
	} {
		path := filepath.Join(dir, name)
		mode := os.FileMode(0o644)
		if name == "garbage" {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	path := bin(t)
	for _, c := range exits {
		cmd := exec.Command("sh", "-c", "gridrun "+c.args)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+dir, "GOFLAGS=")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		cmd.Run()
		text := stderr.String()
		if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: gridrun %s: code %d, want %d and %q:\n%s", c.when, c.args, got, c.code, c.says, text)
		}
		// One message, not one for every rank: its own line, and perhaps the notice of shared CPUs.
		if n := strings.Count(text, "gridrun: "); n > 2 && c.code != 124 {
			t.Errorf("%s: %d messages:\n%s", c.when, n, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "begun")); err == nil {
		t.Error("a job that was refused has begun")
	}
}
