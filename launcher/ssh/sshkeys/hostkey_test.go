package sshkeys

import (
	"crypto/ed25519"
	"gridrun/launcher/ssh/sshconf"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestAddHost: a new line is a line of its own, also behind one that an editor
// has left unfinished.
func TestAddHost(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	old := "old " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	for _, before := range []string{"", old, old + "\n", "# comment"} {
		file := filepath.Join(t.TempDir(), "known_hosts")
		if before != "" {
			if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		hop := sshconf.Hop{Host: "new", Port: 22, KnownHosts: []string{file}}
		var k KnownFiles
		if err := k.add(hop, CheckName(hop), key); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(before, "\n")
		if want != "" {
			want += "\n"
		}
		if want += "new " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + "\n"; string(text) != want {
			t.Errorf("behind %q:\n%swant:\n%s", before, text, want)
		}
		check, _, err := k.HostKeys(hop)
		if err != nil {
			t.Errorf("behind %q: %v", before, err)
			continue
		}
		if err := check("", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 22}, key); err != nil {
			t.Errorf("behind %q: %v", before, err)
		}
	}
	if err := new(KnownFiles).add(sshconf.Hop{KnownHosts: []string{os.DevNull}}, "new:22", key); err != nil {
		t.Error(err)
	}
}

// TestKeysOfTheHomeless: without a home there are no keys, and that is no error.
func TestKeysOfTheHomeless(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("USER", "")
	for _, home := range []string{"", "/dev/null"} {
		t.Setenv("HOME", home)
		c, err := sshconf.LoadConfig("")
		if err != nil {
			t.Fatal(err)
		}
		route, err := c.Route(sshconf.Target{Name: "node"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(KnownFiles).load(route[0]); err != nil {
			t.Errorf("HOME=%s: %v", home, err)
		}
		if k := FindKeys(route[0]); len(k.Unusable) > 0 && home != "" {
			t.Errorf("HOME=%s: %q", home, k.Unusable)
		}
	}
}
