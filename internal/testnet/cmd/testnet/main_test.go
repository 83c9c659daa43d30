//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/internal/needs"
)

func TestMain(m *testing.M) {
	if os.Getenv("TESTNET_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// runTestnet runs the command with args.
func runTestnet(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TESTNET_TEST_MAIN=1", "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestCommandRunsOnTheFront(t *testing.T) {
	needs.Root(t, "network namespaces")
	needs.Command(t, "ssh", "openssh-client")
	script := `hostname; cat $TESTNET_HOSTFILE; echo $TESTNET_HOSTS; ssh -F $GRIDRUN_SSH_CONFIG node2 hostname
ssh-keygen -l -F node1 -f $TESTNET_KNOWN_HOSTS | grep -c found; dirname $TESTNET_IDENTITY; exit 7`
	out, code := runTestnet(t, "-hosts", "2", "-slots", "4", "-6", "-delay", "1ms", "-rate", "100000000", "--", "sh", "-c", script)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	dir := lines[len(lines)-1]
	want := "front\nnode1 slots=4\nnode2 slots=4\nnode1,node2\nnode2\n1\n" + dir + "\n"
	if out != want || code != 7 {
		t.Errorf("exit code %d, output\n%s\nwant 7 and\n%s", code, out, want)
	}
	if _, err := os.Stat(dir); !filepath.IsAbs(dir) || err == nil {
		t.Errorf("the directory %q is left", dir)
	}
}

func TestExitCodes(t *testing.T) {
	needs.Root(t, "network namespaces")
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"-hosts 1 -- true", 0, ""},
		{"-hosts 1 -- sh -c kill\t-9\t$$", 137, ""},
		{"-hosts 1", 2, "name a command"},
		{"-hosts 0 -- true", 1, "choose 1 to 250"},
		{"-hosts 1 -v -- true", 0, "removed in"},
		{"-hosts 1 -- /no/such/program", 127, "No such file"},
	} {
		args := strings.Split(test.args, " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\t", " ")
		}
		out, code := runTestnet(t, args...)
		if code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("testnet %s: exit code %d, %q: want %d and %q", test.args, code, out, test.code, test.want)
		}
	}
}
