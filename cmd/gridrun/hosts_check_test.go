//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"gridrun/internal/testnet"
	"gridrun/launcher/check"
)

// TestHostsCheck: hosts that are well, one without sshd, one that refuses our key,
// and two that do not reach each other. Nothing of it is left anywhere.
func TestHostsCheck(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 5})
	ask := func(t *testing.T, flags ...string) (int, string) {
		t.Helper()
		code, out, errOut := c.run(t, append([]string{"hosts", "check"}, flags...)...)
		if errOut != "" {
			t.Errorf("said %q", errOut)
		}
		return code, out
	}
	all := "node1,node2,node3,node4,node5"

	code, out := ask(t, "-H", all)
	if code != 0 || strings.Count(out, "brought now") != 5 {
		t.Errorf("code %d:\n%s", code, out)
	}
	has(t, out, "all 5 hosts reach each other over 10.93.0.0/16\n")

	if err := c.CutBetween(0, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Host(3).StopSSHD(); err != nil {
		t.Fatal(err)
	}
	if err := c.Host(4).RefuseKey(); err != nil {
		t.Fatal(err)
	}
	code, out = ask(t, "-H", all, "--json")
	var report check.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 125 || len(report.Hosts) != 5 {
		t.Fatalf("code %d, %v", code, err)
	}
	var shown strings.Builder
	report.Print(&shown)
	t.Log(shown.String())
	has(t, shown.String(),
		"node4: connecting (10.93.0.4:22): connection refused",
		"node5: authentication (10.93.0.5:22): user root was not let in",
		"node1 does not reach node2: tried 10.93.0.2:",
		"node2 does not reach node1: tried 10.93.0.1:")
	for i, h := range report.Hosts {
		if (h.Error != "") != (i >= 3) {
			t.Errorf("%s: %q", h.Name, h.Error)
		}
		for _, w := range h.Ways {
			if cut := i == 0 && w.Host == 1 || i == 1 && w.Host == 0; (w.Error != "") != cut {
				t.Errorf("%s to %s (%s): %q", h.Name, report.Hosts[w.Host].Name, w.Addr, w.Error)
			}
		}
	}
}
