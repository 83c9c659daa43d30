package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	hosts, err := HostsFromList("a[1-2]:3,b:1")
	if err != nil || hosts.Len() != 3 || !slices.Equal(hosts.Flags, []string{"--host", "a[1-2]:3,b:1"}) {
		t.Errorf("%+v, %v", hosts, err)
	}
	for list, part := range map[string]string{
		"a":          "how many slots",
		"ann@a:2":    "~/.ssh/config",
		"a:x":        "a:x",
		"a[3-1]:2,b": "a[3-1]",
	} {
		if _, err := HostsFromList(list); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", list, err, part)
		}
	}
	if _, err := HostsFromFile("f", strings.NewReader("a slots=2 port=22\n")); err == nil || !strings.Contains(err.Error(), "~/.ssh/config") {
		t.Errorf("%v", err)
	}
	v6, err := HostsFromList("[fe80::1]:2")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := v6.openMPI(); err != nil || text != "fe80::1 slots=2\n" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := v6.mpich(); err == nil {
		t.Errorf("%q", text)
	}
}
