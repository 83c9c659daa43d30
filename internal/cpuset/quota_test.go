package cpuset

import (
	"runtime"
	"testing"
	"testing/fstest"
)

func TestUsable(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		want float64
	}{
		{"no groups", fstest.MapFS{}, 8},
		{"no limit", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/cpu.max": file("max 100000\n")}, 8},
		{"quota", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/cpu.max": file("250000 100000\n")}, 2.5},
		{"quota above", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/cpu.max": file("200000 100000\n"), "sys/fs/cgroup/a/b/cpu.max": file("max 100000\n")}, 2},
		{"container", fstest.MapFS{"proc/self/cgroup": file("0::/docker/1\n"), "sys/fs/cgroup/cpu.max": file("50000 100000\n")}, 0.5},
		{"version 1", fstest.MapFS{"proc/self/cgroup": file("4:cpu,cpuacct:/j\n1:name=systemd:/\n"), "sys/fs/cgroup/cpu,cpuacct/j/cpu.cfs_quota_us": file("400000\n"), "sys/fs/cgroup/cpu,cpuacct/j/cpu.cfs_period_us": file("100000\n")}, 4},
		{"version 1 without limit", fstest.MapFS{"proc/self/cgroup": file("1:cpu:/\n"), "sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("-1\n"), "sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000\n")}, 8},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n0::/..\n"), "sys/fs/cgroup/cpu.max": file("a b\n")}, 8},
	} {
		if got := usable(c.fsys, 8); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if n := Usable(); n <= 0 || n > float64(runtime.NumCPU()) {
		t.Errorf("Usable() = %v", n)
	}
	for n, want := range map[float64]int{0.001: 1, 0.5: 1, 1: 1, 1.2: 2, 8: 8} {
		if got := Whole(n); got != want {
			t.Errorf("Whole(%v) = %d, want %d", n, got, want)
		}
	}
}
