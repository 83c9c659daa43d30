package store_test

import (
	"context"
	"embed"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"gridrun/lram/store"
)

//go:embed store_test.go
var embedded embed.FS

func mustOpen(t *testing.T, s store.Set, name string) store.File {
	t.Helper()
	f, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadsLocalAndEmbedded(t *testing.T) {
	want, err := os.ReadFile("store_test.go")
	if err != nil {
		t.Fatal(err)
	}
	set := store.Set{"builtin": embedded}
	for _, name := range []string{"store_test.go", "builtin:store_test.go"} {
		f := mustOpen(t, set, name)
		if f.Size() != int64(len(want)) || f.BytesRead() != 0 {
			t.Errorf("%s: size %d, %d read", name, f.Size(), f.BytesRead())
		}
		p := make([]byte, 20)
		if n, err := f.ReadAt(p, 10); n != 20 || err != nil || string(p) != string(want[10:30]) {
			t.Errorf("%s: %d %v %q", name, n, err, p)
		}
		if n, err := f.ReadAt(p, f.Size()-5); n != 5 || err != io.EOF {
			t.Errorf("%s: behind the end: %d %v", name, n, err)
		}
		if f.BytesRead() != 25 {
			t.Errorf("%s: counted %d bytes, want 25", name, f.BytesRead())
		}
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestBytesReadCountsConcurrentReaders(t *testing.T) {
	f := mustOpen(t, nil, writeFile(t, "0123456789"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for off := range int64(8) {
				f.ReadAt(make([]byte, 3), off)
			}
		})
	}
	wg.Wait()
	if f.BytesRead() != 8*8*3 {
		t.Errorf("counted %d bytes, want %d", f.BytesRead(), 8*8*3)
	}
}

// noReadAt is a file system whose files can only be read from the front.
type noReadAt struct{ fs.FS }

func (n noReadAt) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	return struct{ fs.File }{f}, err
}

func TestErrorsSayWhy(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "x")
	set := store.Set{"builtin": embedded, "front": noReadAt{embedded}, "denied": denied{}}
	for _, tc := range []struct {
		name string
		want string
		is   error
	}{
		{filepath.Join(dir, "nothing.nc"), "there is no such file", fs.ErrNotExist},
		{dir, "it is a directory", nil},
		{pipe, "it is not a regular file", nil},
		{file + "/x", "a part of the path is a file", syscall.ENOTDIR},
		{"builtin:nothing", "there is no such file", fs.ErrNotExist},
		{"builtin:.", "it is a directory", nil},
		{"builtin:../x", "not a valid name", fs.ErrInvalid},
		{"front:store_test.go", "cannot read at an offset", nil},
		{"denied:x", "no permission", fs.ErrPermission},
		{"s3://bucket/x.nc", `no store is called "s3" (there are: local files, builtin, denied, front)`, nil},
	} {
		f, err := set.Open(t.Context(), tc.name)
		if err == nil {
			f.Close()
			t.Errorf("%s was opened", tc.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "open "+tc.name+": ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q in it", tc.name, err, tc.want)
		}
		if tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("%s: error %v is not %v", tc.name, err, tc.is)
		}
	}
	cause := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := set.Open(ctx, file); !errors.Is(err, cause) {
		t.Errorf("cancelled: error %v", err)
	}
}

// denied stands for files that this user may not read; the tests may run as root, who may.
type denied struct{}

func (denied) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
}

func TestCheckNoticesChanges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, name string) error
	}{
		{"longer", func(_ *testing.T, name string) error { return os.WriteFile(name, []byte("longer than it was"), 0o600) }},
		{"touched", func(_ *testing.T, name string) error {
			then := time.Unix(1e9, 0)
			return os.Chtimes(name, then, then)
		}},
		{"replaced", func(t *testing.T, name string) error {
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			other := writeFile(t, "other fil.")
			if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(other, name)
		}},
		{"removed", func(_ *testing.T, name string) error { return os.Remove(name) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := writeFile(t, "0123456789")
			f := mustOpen(t, nil, name)
			if err := f.Check(); err != nil {
				t.Fatal(err)
			}
			if err := tc.change(t, name); err != nil {
				t.Fatal(err)
			}
			if err := f.Check(); !errors.Is(err, store.ErrChanged) || !strings.Contains(err.Error(), name) {
				t.Errorf("Check: %v", err)
			}
			if tc.name == "removed" {
				return
			}
			if again := mustOpen(t, nil, name); again.ID() == f.ID() || again.ID().String() == f.ID().String() {
				t.Errorf("the same identity %s", f.ID())
			}
		})
	}
}

func TestReadOfACutFile(t *testing.T) {
	name := writeFile(t, "0123456789")
	f := mustOpen(t, nil, name)
	if err := os.Truncate(name, 4); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 5), 2); n != 2 || !errors.Is(err, store.ErrChanged) {
		t.Errorf("%d %v, want 2 bytes and ErrChanged", n, err)
	}
}

func TestScheme(t *testing.T) {
	for _, tc := range []struct{ name, scheme, rest string }{
		{"a.nc", "", "a.nc"}, {"/d/a:b.nc", "", "/d/a:b.nc"}, {"./ab:c", "", "./ab:c"}, {"C:x", "", "C:x"}, {"c:x", "", "c:x"},
		{"builtin:a/b.nc", "builtin", "a/b.nc"}, {"s3://b/k", "s3", "//b/k"}, {"ab-c:x", "", "ab-c:x"}, {":x", "", ":x"},
	} {
		scheme, rest, ok := store.Scheme(tc.name)
		if scheme != tc.scheme || rest != tc.rest || ok != (tc.scheme != "") {
			t.Errorf("Scheme(%q) = %q %q %v", tc.name, scheme, rest, ok)
		}
	}
	// A colon in a local name is no obstacle when the path says that it is local.
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("ab:c", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, nil, "./ab:c")
}

func TestSibling(t *testing.T) {
	for _, tc := range []struct{ name, other, want string }{
		{"w.json", "u.bin", "u.bin"}, {"/d/w.json", "u.bin", "/d/u.bin"}, {"/d/w.json", "../u.bin", "/u.bin"}, {"/d/w.json", "/e/u.bin", "/e/u.bin"},
		{"builtin:w.json", "u.bin", "builtin:u.bin"}, {"builtin:d/w.json", "../u.bin", "builtin:u.bin"},
		{"builtin:w.json", "../u.bin", ""}, {"builtin:w.json", "/etc/passwd", ""}, {"w.json", "ab:c", "./ab:c"},
	} {
		got, err := store.Sibling(tc.name, tc.other)
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("Sibling(%q, %q) = %q %v, want %q", tc.name, tc.other, got, err, tc.want)
		}
	}
}

func TestMapFS(t *testing.T) {
	f := mustOpen(t, store.Set{"mem": fstest.MapFS{"d/x": {Data: []byte("abc")}}}, "mem:d/x")
	if id := f.ID(); id.Name != "mem:d/x" || id.Size != 3 {
		t.Errorf("identity %+v", id)
	}
}
