package windshear

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridrun/internal/needs"
)

// TestFullAndReadOnlyDisk: whether there is no room from the start, or only for some of the files, or no right to write, one error says so and nothing is left.
func TestFullAndReadOnlyDisk(t *testing.T) {
	needs.Root(t, "mounting a small file system")
	for _, tc := range []struct {
		name, size, want string
		flags            uintptr
	}{
		{"full from the start", "4k", "no space left on device; free some space", 0},
		{"no room for the field", "24k", "no space left on device; free some space", 0},
		{"no room for the picture", "200k", "no space left on device; free some space", 0},
		{"read-only", "64k", "read-only file system; choose a directory", syscall.MS_RDONLY},
	} {
		disk := t.TempDir()
		if err := syscall.Mount("none", disk, "tmpfs", tc.flags, "size="+tc.size); err != nil {
			t.Fatalf("mount: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
		for _, ranks := range []int{1, 93} {
			err := runJob(t, ranks, plainReader(t), "--out", filepath.Join(disk, "a", "b"))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s with %d ranks: %v, want %q", tc.name, ranks, err, tc.want)
			}
			if got := listing(t, disk); got != "" {
				t.Errorf("%s with %d ranks: %s is left", tc.name, ranks, got)
			}
		}
	}
}
