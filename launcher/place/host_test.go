package place

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func TestParseHostfile(t *testing.T) {
	got, err := ParseHostfile("hosts", strings.NewReader("# our cluster\nnode1 slots=4\n\nnode2:2  # small\nme@node3\nnode1\n"))
	want := []Host{{Name: "node1", Slots: 5}, {Name: "node2", Slots: 2}, {Name: "me@node3", Slots: 0}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, %v, want %v", got, err, want)
	}
	for text, part := range map[string]string{
		"":                 "names no host",
		"# nothing":        "names no host",
		"a\nb slots=x":     `hosts:2: "x" slots`,
		"a slots=0":        `"0" slots`,
		"a cores=2":        `"cores=2" is not understood`,
		"a:2 slots=2":      "slots twice",
		"a slots=2 slots=": "slots twice",
		":3":               `"" is no host name`,
		"-oProxy=x":        "is no host name",
		"a:b":              `"b" slots`,
		"a:99999999":       "a host has 1 to",
	} {
		if _, err := ParseHostfile("hosts", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q in it", text, err, part)
		}
	}
}

func TestParseHosts(t *testing.T) {
	got, err := ParseHosts("a:4,b,c:2,b")
	if want := []Host{{Name: "a", Slots: 4}, {Name: "b", Slots: 2}, {Name: "c", Slots: 2}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", "a,", "a:0", "a:b", "a b"} {
		if hosts, err := ParseHosts(text); err == nil {
			t.Errorf("%q: %v, want an error", text, hosts)
		}
	}
}

func TestLocal(t *testing.T) {
	for name, want := range map[string]bool{"localhost": true, "127.0.0.1": false, "127.0.0.2": false, "elsewhere": false} {
		if got := (Host{Name: name}).Local(); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCPUs(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		want int
	}{
		{"no groups", fstest.MapFS{}, 8},
		{"no limit", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/cpu.max": file("max 100000\n")}, 8},
		{"quota", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/cpu.max": file("250000 100000\n")}, 3},
		{"quota above", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/cpu.max": file("200000 100000\n"), "sys/fs/cgroup/a/b/cpu.max": file("max 100000\n")}, 2},
		{"container", fstest.MapFS{"proc/self/cgroup": file("0::/docker/1\n"), "sys/fs/cgroup/cpu.max": file("50000 100000\n")}, 1},
		{"version 1", fstest.MapFS{"proc/self/cgroup": file("4:cpu,cpuacct:/j\n1:name=systemd:/\n"), "sys/fs/cgroup/cpu,cpuacct/j/cpu.cfs_quota_us": file("400000\n"), "sys/fs/cgroup/cpu,cpuacct/j/cpu.cfs_period_us": file("100000\n")}, 4},
		{"version 1 without limit", fstest.MapFS{"proc/self/cgroup": file("1:cpu:/\n"), "sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("-1\n"), "sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000\n")}, 8},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n0::/..\n"), "sys/fs/cgroup/cpu.max": file("a b\n")}, 8},
	} {
		if got := cpus(c.fsys, 8); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if CPUs() < 1 {
		t.Errorf("CPUs() = %d", CPUs())
	}
}

func FuzzHostfile(f *testing.F) {
	for _, s := range []string{"a slots=4\nb:2\n", "#", "a slots=", "x:1\nx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hosts, err := ParseHostfile("f", strings.NewReader(text))
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, h := range hosts {
			if h.Name == "" || h.Name[0] == '-' || seen[h.Name] || h.Slots < 0 || h.Slots > MaxSlots {
				t.Fatalf("%q gives %+v", text, hosts)
			}
			seen[h.Name] = true
		}
	})
}
