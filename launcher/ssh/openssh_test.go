package ssh

import (
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestCommand: OpenSSH is given the file that was named, once, whatever its name.
func TestCommand(t *testing.T) {
	s, err := New(Options{Agent: agentBinary, Command: "ssh -4", Config: sshconf.Unread("/a b/config")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ssh", "-4", "-o", "BatchMode=yes", "-T", "-F", "/a b/config", "-p", "22", "node"}
	if got := sshconn.OpenSSHCommand(s.options.Command, s.options.Config.Path, sshconf.Target{Name: "node", Port: 22}); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := New(Options{Agent: agentBinary, Command: " "}); err == nil || !strings.Contains(err.Error(), "--launcher-command is blank") {
		t.Error(err)
	}
}

// TestConfigForOpenSSHAlone: what only OpenSSH understands is left to it.
func TestConfigForOpenSSHAlone(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	write(t, filepath.Join(home, ".ssh", "config"), "Match exec true\n  User x\n")
	if _, err := New(Options{Agent: agentBinary, Command: "ssh"}); err != nil {
		t.Error(err)
	}
}
