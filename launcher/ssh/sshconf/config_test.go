package sshconf

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// load parses text as the user's only configuration.
func load(t testing.TB, text string) *Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	writeFile(t, file, text)
	c, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	c.home, c.user = "/home/me", "me"
	return c
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	os.MkdirAll(filepath.Dir(file), 0o700)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRoute(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	c := load(t, `
Port 2200

Host node* !node9
  HostName %h.cluster.example
  User %remote
  IdentityFile ~/.ssh/cluster
  IdentityFile %d/.ssh/%h-%p
  UserKnownHostsFile ~/.ssh/known_cluster /dev/null
  StrictHostKeyChecking accept-new
  ConnectTimeout 3
  HostKeyAlias cluster

Host far
  ProxyJump boss@gate1:22,gate2
Host gate1
  ProxyJump first
Host gate2
  ProxyJump never
Host round
  ProxyJump round
Host direct far2
  ProxyJump none
  ProxyCommand none
Host command
  ProxyCommand nc %h %p
Host lax
  StrictHostKeyChecking no
  IdentityAgent none
Host asks
  StrictHostKeyChecking ask
  IdentityAgent ~/agent
Host badport
  HostName x
Host slow
  ConnectTimeout soon
`)
	one := func(target Target) Hop {
		t.Helper()
		route, err := c.Route(target)
		if err != nil || len(route) != 1 {
			t.Fatalf("%v: %v, %v", target, route, err)
		}
		return route[0]
	}
	h := one(Target{Name: "node3"})
	want := Hop{
		Target: Target{Name: "node3"}, Host: "node3.cluster.example", User: "%remote", Port: 2200,
		Identities: []string{"/home/me/.ssh/cluster", "/home/me/.ssh/node3.cluster.example-2200"},
		Explicit:   true, AgentSocket: "/run/agent",
		KnownHosts: []string{"/home/me/.ssh/known_cluster", "/dev/null", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"},
		KeyAlias:   "cluster", Strict: AcceptNew, ConnectTimeout: 3 * time.Second,
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("node3:\n%+v, want\n%+v", h, want)
	}
	if h := one(Target{Name: "node3", User: "you", Port: 7}); h.User != "you" || h.Port != 7 {
		t.Errorf("the host's own user and port: %+v", h)
	}
	h = one(Target{Name: "node9"})
	if h.Host != "node9" || h.User != "me" || h.Explicit || len(h.Identities) != 3 || h.Strict != Strict || h.KnownHosts[0] != "/home/me/.ssh/known_hosts" {
		t.Errorf("a negated pattern: %+v", h)
	}
	if h := one(Target{Name: "lax"}); h.Strict != AcceptAny || h.AgentSocket != "" {
		t.Errorf("lax: %+v", h)
	}
	if h := one(Target{Name: "asks"}); h.Strict != Strict || h.AgentSocket != "/home/me/agent" {
		t.Errorf("asks: %+v", h)
	}
	one(Target{Name: "direct"})

	route, err := c.Route(Target{Name: "far"})
	if err != nil {
		t.Fatal(err)
	}
	var hops []string
	for _, h := range route {
		hops = append(hops, h.User+"@"+h.Address())
	}
	if got := strings.Join(hops, " "); got != "me@first:2200 boss@gate1:22 me@gate2:2200 me@far:2200" {
		t.Errorf("far is reached over %s", got)
	}
	for name, part := range map[string]string{"round": "circle", "command": "--launcher-command ssh", "slow": "ConnectTimeout"} {
		if _, err := c.Route(Target{Name: name}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadConfig(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if _, err := LoadConfig(""); err != nil {
		t.Errorf("without a file: %v", err)
	}
	if _, err := LoadConfig(filepath.Join(home, "nothing")); err == nil {
		t.Error("a file that was named and is not there")
	}
	writeFile(t, filepath.Join(home, ".ssh", "config"), "Include "+filepath.Join(home, "more")+"\nHost *\n  User second\n")
	writeFile(t, filepath.Join(home, "more"), "Host a\n  User first\n")
	c, err := LoadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	for name, user := range map[string]string{"a": "first", "b": "second"} {
		if route, err := c.Route(Target{Name: name}); err != nil || route[0].User != user {
			t.Errorf("%s: %v, %v", name, route, err)
		}
	}
	c, err = LoadConfig("none")
	if err != nil {
		t.Fatal(err)
	}
	if route, err := c.Route(Target{Name: "b"}); err != nil || route[0].User == "second" {
		t.Errorf("none: %v, %v", route, err)
	}
	writeFile(t, filepath.Join(home, ".ssh", "config"), "Match exec true\n  User x\n")
	if _, err := LoadConfig(""); err == nil || !strings.Contains(err.Error(), "--launcher-command ssh") {
		t.Errorf("Match exec: %v", err)
	}
}

var targets = []struct {
	text string
	want Target
	ok   bool
}{
	{"a", Target{"a", "", 0}, true},
	{"u@a", Target{"a", "u", 0}, true},
	{"u@a:22", Target{"a", "u", 22}, true},
	{"ssh://u@a:22", Target{"a", "u", 22}, true},
	{"u@dom@a", Target{"a", "u@dom", 0}, true},
	{"::1", Target{"::1", "", 0}, true},
	{"[::1]", Target{"::1", "", 0}, true},
	{"u@[::1]:2222", Target{"::1", "u", 2222}, true},
	{"fe80::1%eth0", Target{"fe80::1%eth0", "", 0}, true},
	{"", Target{}, false},
	{"@a", Target{}, false},
	{"a:", Target{}, false},
	{"a:0", Target{}, false},
	{"a:65536", Target{}, false},
	{"a:x", Target{}, false},
	{"[::1", Target{}, false},
	{"[::1]x", Target{}, false},
	{"[::1]:", Target{}, false},
	{"-oProxyCommand=x", Target{}, false},
	{"-u@a", Target{}, false},
	{"a b", Target{}, false},
	{"a;b", Target{}, false},
	{"a$(b)", Target{}, false},
	{"[:]", Target{}, false},
	{"1:2:3", Target{}, false},
}

// TestHomeless: nothing of the directory where we are is taken for the user's.
func TestHomeless(t *testing.T) {
	here := t.TempDir()
	writeFile(t, filepath.Join(here, ".ssh", "config"), "User somebodyelse\n")
	t.Chdir(here)
	t.Setenv("USER", "")
	for _, home := range []string{"", "/dev/null"} {
		t.Setenv("HOME", home)
		c, err := LoadConfig("")
		if err != nil {
			t.Errorf("HOME=%s: %v", home, err)
			continue
		}
		route, err := c.Route(Target{Name: "node"})
		if err != nil || route[0].User == "somebodyelse" {
			t.Errorf("HOME=%s: %+v, %v", home, route, err)
			continue
		}
		for _, file := range append(route[0].KnownHosts, route[0].Identities...) {
			if !filepath.IsAbs(file) {
				t.Errorf("HOME=%s: %s is where we are", home, file)
			}
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, c := range targets {
		got, err := ParseTarget(c.text)
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, c := range targets {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTarget(text)
		if err != nil {
			return
		}
		if got.Name == "" || got.Name[0] == '-' || strings.HasPrefix(got.User, "-") || got.Port < 0 || got.Port > 65535 || strings.ContainsAny(got.Name+got.User, " '\n;&|`$") {
			t.Fatalf("%q is %+v", text, got)
		}
		if again, err := ParseTarget(got.String()); err != nil || again != got {
			t.Fatalf("%q is %+v, which reads as %+v, %v", text, got, again, err)
		}
	})
}

func TestExpand(t *testing.T) {
	tokens := map[byte]string{'h': "host", 'p': "%h"}
	for text, want := range map[string]string{"": "", "%h": "host", "a%hb": "ahostb", "%%h": "%h", "%": "%", "%x%h": "%xhost", "%p": "%h", "%%": "%"} {
		if got := expand(text, tokens); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
