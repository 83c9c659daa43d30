package command

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridrun/internal/wire"
)

// TestExplain: what cannot be started is named, with its exit code, by whatever
// path it was given, program or wrapper.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"script": 0o700, "text": 0o600} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/no/such/interpreter\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		err  error
		code int
		says string
	}{
		{"./script", syscall.ENOENT, 126, "interpreter"},
		{dir + "/script", syscall.ENOENT, 126, "interpreter"},
		{"./nothing", syscall.ENOENT, 127, "no such program"},
		{"./script/below", syscall.ENOTDIR, 127, "no such program"},
		{dir, syscall.EACCES, 126, "is a directory"},
		{"./text", syscall.EACCES, 126, "not executable"},
		{"./script", syscall.ENOEXEC, 126, "not a program for this host"},
		{"./script", syscall.ETXTBSY, 126, "being written"},
		{"./script", syscall.E2BIG, 125, "argument list too long"},
	} {
		for _, wrap := range [][]string{nil, {c.path}} {
			spec := &wire.ProcSpec{Dir: dir, Path: c.path, Wrap: wrap}
			e := Explain(c.path, spec, c.err)
			if e.Code != c.code || !strings.Contains(e.Text, c.says) || !strings.Contains(e.Text, c.path) || strings.Contains(e.Text, "--wrap: ") != (wrap != nil) {
				t.Errorf("%s: %v, wrapped by %q: code %d, %s", c.path, c.err, wrap, e.Code, e.Text)
			}
		}
	}
	for gone, says := range map[string]string{dir + "/nowhere": "does not exist", dir + "/text": "is not a directory"} {
		if e := Explain("./script", &wire.ProcSpec{Dir: gone}, syscall.ENOENT); e.Code != 125 || !strings.Contains(e.Text, says) {
			t.Errorf("in %s: %+v", gone, e)
		}
	}
}
