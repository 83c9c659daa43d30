package launcher

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestInputs(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "sub", "a")
	os.Mkdir(filepath.Join(dir, "sub"), 0o700)
	for _, name := range []string{a, b} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := inputs([]string{a})
	if err != nil || len(files) != 1 || files[0].Name != "a" || files[0].Size != 1 {
		t.Fatalf("%v %v", files, err)
	}
	for want, paths := range map[string][]string{
		"no such file":    {filepath.Join(dir, "none")},
		"no regular file": {dir},
		"would both be a": {a, b},
	} {
		if _, err := inputs(paths); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", paths, err, want)
		}
	}
}

func TestStagedArguments(t *testing.T) {
	args, env := staged("/d", []string{"--u", "{stage}/u.nc#u", "{stage}{stage}"}, []string{"A=1"})
	if !slices.Equal(args, []string{"--u", "/d/u.nc#u", "/d/d"}) || !slices.Equal(env, []string{"A=1", "GRIDRUN_STAGE=/d"}) {
		t.Errorf("%q %q", args, env)
	}
	args, env = staged("", []string{"{stage}"}, nil)
	if args[0] != "{stage}" || env != nil {
		t.Errorf("without inputs: %q %q", args, env)
	}
}
