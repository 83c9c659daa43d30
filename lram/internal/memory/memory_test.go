//go:build linux

package memory

import (
	"os"
	"testing"
	"testing/fstest"
)

func TestRegion(t *testing.T) {
	r, err := New(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Ensure(8192, 100); err != nil {
		t.Fatal(err)
	}
	r.Bytes()[8192] = 7
	for _, bad := range [][2]int64{{-1, 1}, {1 << 30, 1}, {0, 1<<30 + 1}, {5, -1}} {
		if r.Ensure(bad[0], bad[1]) == nil {
			t.Errorf("Ensure(%d, %d) outside of the region succeeds", bad[0], bad[1])
		}
	}
	fd, err := dup(r.Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Map(fd)
	if err != nil {
		t.Fatal(err)
	}
	if other.Size() != 1<<30 || other.Bytes()[8192] != 7 {
		t.Errorf("the other mapping has %d bytes and reads %d", other.Size(), other.Bytes()[8192])
	}
	if b, err := mmapForWriting(r.Descriptor()); err == nil {
		b[0] = 1
		t.Error("a client may write to the cache's memory")
	}
	again := other.Share()
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if again.Bytes()[8192] != 7 {
		t.Error("a shared mapping went with its first holder")
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestMapRefusesAFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Map(fd); err == nil {
		r.Close()
		t.Error("a file that anybody may cut is mapped")
	}
}

func TestAvailable(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const info = "MemTotal: 4000 kB\nMemAvailable: 2000 kB\n"
	tests := []struct {
		name  string
		files fstest.MapFS
		want  int64
		ok    bool
	}{
		{"nothing known", fstest.MapFS{}, 0, false},
		{"host only", fstest.MapFS{"proc/meminfo": file(info)}, 2000 * 1024, true},
		{"v2 limit of a parent", fstest.MapFS{
			"proc/meminfo":                     file(info),
			"proc/self/cgroup":                 file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max":     file("max\n"),
			"sys/fs/cgroup/a/b/memory.current": file("100\n"),
			"sys/fs/cgroup/a/memory.max":       file("100000\n"),
			"sys/fs/cgroup/a/memory.current":   file("30000\n"),
			"sys/fs/cgroup/a/memory.stat":      file("anon 5\ninactive_file 10000\n"),
		}, 80000, true},
		{"v1 in a container", fstest.MapFS{
			"proc/meminfo":     file(info),
			"proc/self/cgroup": file("4:memory:/docker/abc\n1:cpu:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("50000\n"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes": file("60000\n"),
		}, 0, true},
		{"v1 unlimited", fstest.MapFS{
			"proc/meminfo":     file(info),
			"proc/self/cgroup": file("4:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes": file("60000\n"),
		}, 2000 * 1024, true},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Available(c.files)
			if ok != c.ok || ok && got != c.want {
				t.Errorf("Available = %d, %v, want %d, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 4096: "4 KiB", 1536: "1.5 KiB", 3 << 30: "3 GiB", 5 << 40: "5 TiB"} {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}
