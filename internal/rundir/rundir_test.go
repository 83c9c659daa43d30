package rundir

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	t.Setenv("XDG_RUNTIME_DIR", "")
	first, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Path(); err != nil || again != first || filepath.Dir(first) != base {
		t.Fatalf("%q %v, first %q", again, err, first)
	}
	private := filepath.Join(base, "run")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", private)
	if dir, err := Path(); err != nil || dir != filepath.Join(private, "gridrun") {
		t.Fatalf("%q %v", dir, err)
	}
}

func TestChoose(t *testing.T) {
	long := "/" + strings.Repeat("x", maxPath)
	for _, c := range []struct{ run, temp, want string }{
		{"/run/user/7", "/tmp", "/run/user/7/gridrun"},
		{"", "/tmp", "/tmp/gridrun-7"},
		{"relative", "/tmp", "/tmp/gridrun-7"},
		{long, "/var/tmp", "/var/tmp/gridrun-7"},
		{"", long, "/tmp/gridrun-7"},
	} {
		if got := choose(c.run, c.temp, 7); got != c.want {
			t.Errorf("%.20q, %.20q: %q, want %q", c.run, c.temp, got, c.want)
		}
	}
	// The longest directory holds the sockets of jobs.
	dir := filepath.Join(t.TempDir(), "d")
	if pad := maxPath - len(dir); pad > 0 {
		dir += strings.Repeat("d", pad)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "0123456789abcdef.job"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A directory that others can enter, or that is none, is not used.
func TestPathRefuses(t *testing.T) {
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	t.Setenv("XDG_RUNTIME_DIR", "")
	dir, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Path(); err == nil {
		t.Error("a directory that a group can enter was taken")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Path(); err == nil {
		t.Error("a symbolic link was taken")
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	listen := func(name string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	live := listen("live.job")
	defer live.Close()
	dead := listen("dead.job")
	dead.SetUnlinkOnClose(false)
	dead.Close()
	other := listen("dead.keeper")
	other.SetUnlinkOnClose(false)
	other.Close()
	if err := os.WriteFile(filepath.Join(dir, "file.job"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := Sweep(dir, ".job")
	if err != nil || !slices.Equal(names, []string{"live.job"}) {
		t.Fatalf("live: %v, %v", names, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 3 {
		t.Fatalf("left: %v", left)
	}
}

func TestPeer(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	if uid, pid, ok := Peer(c); !ok || uid != os.Getuid() || pid != os.Getpid() {
		t.Errorf("%d, %v", uid, ok)
	}
	c.Close()
	if uid, _, ok := Peer(c); ok {
		t.Errorf("a closed connection has user %d", uid)
	}
}
