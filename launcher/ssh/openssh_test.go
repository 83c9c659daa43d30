package ssh

import (
	"reflect"
	"strings"
	"testing"
)

// TestCommand: OpenSSH is given the file that was named, once, whatever its name.
func TestCommand(t *testing.T) {
	s, err := New(Options{Agent: agentBinary, Command: "ssh -4", Config: Unread("/a b/config")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ssh", "-4", "-o", "BatchMode=yes", "-T", "-F", "/a b/config", "-p", "22", "node"}
	if got := opensshCommand(s.options.Command, s.options.Config.path, Target{Name: "node", Port: 22}); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := New(Options{Agent: agentBinary, Command: " "}); err == nil || !strings.Contains(err.Error(), "--launcher-command is blank") {
		t.Error(err)
	}
}
