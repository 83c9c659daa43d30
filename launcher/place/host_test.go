package place

import (
	"os"
	"testing"
)

func TestLocal(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host Host
		want bool
	}{
		{Host{Name: "localhost"}, true},
		{Host{Name: "localhost", Slots: 3, MaxSlots: 4}, true},
		{Host{Name: own}, true},
		{Host{Name: "localhost", Port: 22}, false},
		{Host{Name: own, User: "bob"}, false},
		{Host{Name: "127.0.0.1"}, false},
		{Host{Name: "127.0.0.2"}, false},
		{Host{Name: "::1"}, false},
		{Host{Name: "elsewhere"}, false},
	} {
		if got := c.host.Local(); got != c.want {
			t.Errorf("%v: %v", c.host, got)
		}
	}
}

func TestHostString(t *testing.T) {
	for want, h := range map[string]Host{
		"a":              {Name: "a", Slots: 3},
		"a:22":           {Name: "a", Port: 22},
		"bob@a":          {Name: "a", User: "bob"},
		"bob@a:22":       {Name: "a", User: "bob", Port: 22},
		"fe80::1":        {Name: "fe80::1"},
		"[fe80::1%e0]:2": {Name: "fe80::1%e0", Port: 2},
		"bob@[::1]:2":    {Name: "::1", User: "bob", Port: 2},
	} {
		if got := h.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
