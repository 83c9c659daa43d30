//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/collectives"
	"gridrun/internal/cost"
)

// calibrated: figures that were measured between hosts are used by jobs on these, not
// by those on others or here, and stale ones by nobody.
func calibrated(t *testing.T, c *cluster) {
	cache := t.TempDir()
	env := []string{"XDG_CACHE_HOME=" + cache}
	run := func(words ...string) (out, errOut string) {
		t.Helper()
		l := c.launchWith(t, env, "", words...)
		if code := l.wait(t); code != 0 {
			t.Fatalf("%q: code %d: %s\n%s", words, code, l.out, l.errOut)
		}
		return l.out.String(), l.errOut.String()
	}
	figures := func(hosts ...string) (text, errOut string) {
		t.Helper()
		out, errOut := run(append(hosts, "-np", "1", "--wdir", "/", "sh", "-c", "echo $"+collectives.CostsVariable)...)
		return strings.TrimSpace(out), errOut
	}
	out, _ := run("bench", "calibrate", "-H", "node2:1,node1:1,node3:1", "--rounds", "1", "--budget", "0.0001", "-np", "4")
	has(t, out, "TCP between node[1-3]", "4 hosts, a rank each")
	if shown, _ := run("bench", "calibrate", "-H", "node3:1,node2:1,node1:1", "--show", "-np", "4"); shown != out {
		t.Errorf("shown:\n%s\nmeasured:\n%s", shown, out)
	}
	m := cost.ThisMachine()
	path := m.Path(filepath.Join(cache, "gridrun", "costs"), "node1", "node2", "node3")
	r, err := cost.Read(path, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, hosts := range []string{"node1:1,node2:1,node3:1", "node3:1,node1:1", "node2:1"} {
		if text, errOut := figures("-H", hosts); text != r.Costs.String() || errOut != "" {
			t.Errorf("%s: %q, %s", hosts, text, errOut)
		}
	}
	for _, hosts := range [][]string{{"-H", "node1:1,node4:1"}, nil} {
		if text, errOut := figures(hosts...); text != "" || errOut != "" {
			t.Errorf("%q: %q, %s", hosts, text, errOut)
		}
	}
	r.Machine.Kernel = "older"
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if text, errOut := figures("-H", "node1:1,node2:1"); text != "" || strings.Count(errOut, "\n") != 1 || !strings.Contains(errOut, "of another machine or kernel") {
		t.Errorf("stale: %q, %s", text, errOut)
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, errOut := figures("-H", "node1:1,node2:1"); text != "" || errOut != "" { // it says of no hosts that it is theirs
		t.Errorf("rubbish: %q, %s", text, errOut)
	}
}
