package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"gridrun/internal/needs"
)

// server starts OpenSSH's own SFTP server on two pipes. steps, when positive, is
// how many reads of its answers succeed.
func server(t *testing.T, steps int) *sftp.Client {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/lib/openssh:/usr/libexec/openssh:/usr/lib/ssh")
	cmd := exec.Command(needs.Command(t, "sftp-server", "openssh-sftp-server"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var r io.Reader = out
	if steps > 0 {
		r = &failing{r: out, left: steps}
	}
	client, err := sftp.NewClientPipe(r, in, Options()...)
	t.Cleanup(func() {
		if client != nil {
			client.Close()
		}
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	if err != nil {
		if steps > 0 {
			return nil
		}
		t.Fatal(err)
	}
	return client
}

var errBroken = errors.New("the line is broken")

// failing gives one byte at most and fails after so many reads.
type failing struct {
	r    io.Reader
	left int
}

func (f *failing) Read(b []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errBroken
	}
	return f.r.Read(b[:min(len(b), 64)])
}

func content(t *testing.T, name string, data []byte, mode fs.FileMode) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(path, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func same(t *testing.T, path string, want []byte, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes differ from the %d sent", path, len(got), len(want))
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != mode {
		t.Fatalf("%s has mode %v, want %v", path, info.Mode().Perm(), mode)
	}
}

// files lists what lies under dir.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, p)
		}
		return nil
	})
	return all
}

func TestShipOnce(t *testing.T) {
	client := server(t, 0)
	dir := filepath.Join(t.TempDir(), "a", "cache")
	for _, size := range []int{0, 1, 5, packet - 1, packet, packet + 1, 40*packet + 17} {
		data := bytes.Repeat([]byte("0123456789abcdef\n"), size/17+1)[:size]
		f := content(t, fmt.Sprintf("file%d", size), data, 0o755)
		var last, total int64 = -1, -1
		progress := func(d, n int64) {
			if d < last {
				t.Errorf("progress went from %d to %d", last, d)
			}
			last, total = d, n
		}
		paths, err := Ship(t.Context(), client, []File{f}, dir, progress)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(dir, f.Hash, f.Name); paths[0] != want {
			t.Fatalf("path %s, want %s", paths[0], want)
		}
		same(t, paths[0], data, 0o700)
		if size > 0 && (last != int64(size) || total != int64(size)) {
			t.Fatalf("progress ended at %d of %d, want %d", last, total, size)
		}
		// Once more: nothing is sent.
		before, err := os.Stat(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Ship(t.Context(), client, []File{f}, dir, func(int64, int64) { t.Error("sent twice") }); err != nil {
			t.Fatal(err)
		}
		if after, err := os.Stat(paths[0]); err != nil || !os.SameFile(before, after) {
			t.Fatalf("replaced: %v", err)
		}
		if got := files(t, filepath.Dir(paths[0])); len(got) != 1 {
			t.Fatalf("left behind: %v", got)
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("%s: %v %v", d, info.Mode(), err)
		}
	}
}

func TestShipReplacesShortFile(t *testing.T) {
	client := server(t, 0)
	dir := t.TempDir()
	f := content(t, "data", []byte("whole"), 0o644)
	os.Mkdir(filepath.Join(dir, f.Hash), 0o700)
	path := filepath.Join(dir, f.Hash, "data")
	os.WriteFile(path, []byte("who"), 0o600)
	if _, err := Ship(t.Context(), client, []File{f}, dir, nil); err != nil {
		t.Fatal(err)
	}
	same(t, path, []byte("whole"), 0o600)
}

func TestShipFromManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("many"), 300_000)
	f := content(t, "prog", data, 0o755)
	var all sync.WaitGroup
	for range 5 {
		client := server(t, 0)
		all.Go(func() {
			if _, err := Ship(t.Context(), client, []File{f}, dir, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	same(t, filepath.Join(dir, f.Hash, "prog"), data, 0o700)
	if got := files(t, dir); len(got) != 1 {
		t.Fatalf("left behind: %v", got)
	}
}

func TestChangedFileIsNoticed(t *testing.T) {
	client := server(t, 0)
	dir := t.TempDir()
	for _, changed := range []string{"first and more", "other"} {
		f := content(t, "grows", []byte("first"), 0o644)
		os.WriteFile(f.Path, []byte(changed), 0o644)
		os.Chtimes(f.Path, time.Time{}, time.Now().Add(time.Second)) // clocks of file systems are coarse
		_, err := Ship(t.Context(), client, []File{f}, dir, nil)
		if err == nil || !strings.Contains(err.Error(), "changed") {
			t.Fatalf("%s: error %v", changed, err)
		}
		if got := files(t, dir); len(got) != 0 {
			t.Fatalf("left behind: %v", got)
		}
	}
}

// A file that was put there anew, the same bytes, is the same file.
func TestTouchedFile(t *testing.T) {
	client := server(t, 0)
	f := content(t, "touched", []byte("same"), 0o644)
	os.Chtimes(f.Path, time.Time{}, time.Now().Add(time.Second))
	if _, err := Ship(t.Context(), client, []File{f}, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestStage(t *testing.T) {
	client := server(t, 0)
	dir := filepath.Join(t.TempDir(), "jobs", "j1")
	a, b := content(t, "a.nc", []byte("A"), 0o644), content(t, "b", []byte("B"), 0o755)
	paths, err := Stage(t.Context(), client, []File{a, b}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, paths[0], []byte("A"), 0o600)
	same(t, paths[1], []byte("B"), 0o700)
	if _, err := Stage(t.Context(), client, []File{a, content(t, "a.nc", nil, 0o644)}, dir, nil); err == nil || !strings.Contains(err.Error(), "a.nc") {
		t.Fatalf("two files of one name: %v", err)
	}
	if err := Unstage(client, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("still there: %v", err)
	}
	if err := Unstage(client, dir); err != nil {
		t.Fatalf("a second time: %v", err)
	}
}

// mounted is a tmpfs of so many KiB.
func mounted(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	needs.Root(t, "mounting file systems")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatalf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFaultsAreExplained(t *testing.T) {
	big := content(t, "big", make([]byte, 3<<20), 0o644)
	t.Run("full", func(t *testing.T) {
		dir := mounted(t, 0, "size=1m")
		_, err := Ship(t.Context(), server(t, 0), []File{big}, dir, nil)
		if err == nil || !strings.Contains(err.Error(), "the disk is full, 3145728 bytes are needed") {
			t.Fatalf("error %v", err)
		}
		if got := files(t, dir); len(got) != 0 {
			t.Fatalf("left behind: %v", got)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		dir := mounted(t, unix.MS_RDONLY, "size=1m")
		_, err := Ship(t.Context(), server(t, 0), []File{big}, dir, nil)
		if err == nil || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), dir) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("a file in the way", func(t *testing.T) {
		name := content(t, "file", nil, 0o644).Path
		_, err := Ship(t.Context(), server(t, 0), []File{big}, name, nil)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Fatalf("error %v", err)
		}
	})
}

// The connection fails at every step: always an error or a complete file, and
// no goroutine stays.
func TestFailAtStep(t *testing.T) {
	f := content(t, "prog", bytes.Repeat([]byte{7}, 3*packet), 0o755)
	before := runtime.NumGoroutine()
	complete := false
	for step := 1; step < 200 && !complete; step++ {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			dir := t.TempDir()
			client := server(t, step)
			if client == nil {
				return
			}
			_, err := Ship(t.Context(), client, []File{f}, dir, nil)
			path := filepath.Join(dir, f.Hash, "prog")
			if err == nil {
				complete = true
				same(t, path, bytes.Repeat([]byte{7}, 3*packet), 0o700)
			} else if info, errStat := os.Stat(path); errStat == nil && info.Size() != f.Size {
				t.Fatalf("a file of %d bytes has the final name", info.Size())
			}
		})
	}
	if !complete {
		t.Fatal("no number of steps was enough")
	}
	settle(t, before)
}

func settle(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

func TestCancel(t *testing.T) {
	client := server(t, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	f := content(t, "prog", make([]byte, 64*packet), 0o755)
	dir := t.TempDir()
	_, err := Ship(ctx, client, []File{f}, dir, func(int64, int64) { cancel(why) })
	if !errors.Is(err, why) {
		t.Fatalf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, f.Hash, "prog")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the final name: %v", err)
	}
}

func TestPrune(t *testing.T) {
	client := server(t, 0)
	dir := t.TempDir()
	now := time.Now()
	old, fresh, used := strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)
	for _, name := range []string{old, fresh, used, "jobs", "0123"} {
		os.MkdirAll(filepath.Join(dir, name), 0o700)
		os.WriteFile(filepath.Join(dir, name, "gridrun"), nil, 0o700)
		if name != fresh {
			os.Chtimes(filepath.Join(dir, name), now.Add(-2*MaxAge), now.Add(-2*MaxAge))
		}
	}
	os.WriteFile(filepath.Join(dir, used, "used"), nil, 0o600)
	os.Chtimes(filepath.Join(dir, used), now.Add(-2*MaxAge), now.Add(-2*MaxAge))
	begun, other, young := filepath.Join(dir, fresh, "gridrun.0123456789abcdef"), filepath.Join(dir, fresh, "data.0123"), filepath.Join(dir, fresh, "x.fedcba9876543210")
	for _, name := range []string{begun, other, young} {
		os.WriteFile(name, nil, 0o600)
		if name != young {
			os.Chtimes(name, now.Add(-2*maxUnfinished), now.Add(-2*maxUnfinished))
		}
	}
	removed, err := Prune(client, dir, now)
	if err != nil || len(removed) != 1 || removed[0] != old {
		t.Fatalf("removed %v, %v", removed, err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 4 {
		t.Fatalf("left: %v", left)
	}
	files, _ := os.ReadDir(filepath.Join(dir, fresh))
	if _, err := os.Stat(begun); !errors.Is(err, fs.ErrNotExist) || len(files) != 3 {
		t.Fatalf("left of the fresh entry: %v", files)
	}
}

// TestShipPrunes: what is brought makes what is old go, what is there does not.
func TestShipPrunes(t *testing.T) {
	client := server(t, 0)
	dir, from := t.TempDir(), filepath.Join(t.TempDir(), "prog")
	if err := os.WriteFile(from, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(from, "prog")
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, strings.Repeat("a1", 32))
	for _, gone := range []bool{true, false} {
		if err := os.MkdirAll(old, 0o700); err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-2 * MaxAge)
		os.Chtimes(old, long, long)
		if _, err := Ship(t.Context(), client, []File{f}, dir, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) != gone {
			t.Errorf("removed: want %v, got %v", gone, err)
		}
	}
}

func TestPlatform(t *testing.T) {
	for _, c := range []struct{ system, machine, want string }{
		{"Linux", "x86_64", "linux/amd64"}, {"Linux", "aarch64", "linux/arm64"}, {"Linux", "ppc64le", "linux/ppc64le"},
		{"Linux", "armv7l", "linux/arm"}, {"FreeBSD", "amd64", "freebsd/amd64"}, {"Darwin", "arm64", "darwin/arm64"},
		{"Linux", "vax", ""}, {"CYGWIN_NT-10.0", "x86_64", ""}, {"", "", ""},
	} {
		p, err := ParsePlatform(c.system, c.machine)
		if (err == nil) != (c.want != "") || err == nil && p.String() != c.want {
			t.Errorf("%s %s: %v, %v", c.system, c.machine, p, err)
		}
		if err == nil && p.Uname() != "" && p.Uname() != c.system+" "+c.machine {
			t.Errorf("%v is %q", p, p.Uname())
		}
	}
	if (Platform{"linux", "amd64"}).Uname() != "Linux x86_64" {
		t.Error("linux/amd64 must be known beforehand")
	}
}

func TestSources(t *testing.T) {
	other := Platform{"linux", "s390x"}
	if Here() == other {
		other.Arch = "amd64"
	}
	self, err := Self("gridrun", nil)(t.Context(), Here())
	if err != nil || len(self.Hash) != 64 || self.Size == 0 || self.Name != "gridrun" || !self.Executable {
		t.Fatalf("%+v, %v", self, err)
	}
	if _, err := Self("gridrun", nil)(t.Context(), other); err == nil || !strings.Contains(err.Error(), "toolchain") {
		t.Fatalf("another platform without a build: %v", err)
	}
	var builds atomic.Int32
	built := content(t, "built", []byte("binary"), 0o755)
	source := Self("gridrun", func(_ context.Context, p Platform) (string, error) {
		builds.Add(1)
		return built.Path, nil
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if f, err := source(t.Context(), other); err != nil || f.Hash != built.Hash {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	all.Wait()
	if builds.Load() != 1 {
		t.Fatalf("built %d times", builds.Load())
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Executable(exe)(t.Context(), Here()); err != nil {
		t.Fatal(err)
	}
	if _, err := Executable(exe)(t.Context(), other); err == nil || !strings.Contains(err.Error(), other.String()) {
		t.Fatalf("a binary for another platform: %v", err)
	}
	script := content(t, "script", []byte("#!/bin/sh\n"), 0o755)
	if f, err := Executable(script.Path)(t.Context(), other); err != nil || f.Hash != script.Hash {
		t.Fatalf("a script: %+v, %v", f, err)
	}
	// An answer that was cut off is not kept.
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	flaky := Built("x", func(ctx context.Context, _ Platform) (string, error) {
		if tries++; tries == 1 {
			cancel()
			return "", ctx.Err()
		}
		return built.Path, nil
	})
	if _, err := flaky(ctx, other); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := flaky(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "/"} {
		if _, err := ReadFile(built.Path, name); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
	if _, err := ReadFile(t.TempDir(), "dir"); err == nil {
		t.Error("a directory was taken")
	}
}
