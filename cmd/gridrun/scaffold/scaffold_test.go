package scaffold

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"gridrun"
)

// offline runs go in dir without a network and returns the lines it prints.
func offline(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return strings.Split(strings.TrimSpace(string(said)), "\n")
}

// TestCreate: a new program passes its own tests offline, can import everything
// that rank programs import, and names no module that it does not need.
func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "heat flow")
	if err := Create(gridrun.Source, dir); err != nil {
		t.Fatal(err)
	}
	offline(t, dir, "vet", ".")
	offline(t, dir, "test", ".")
	if tests := offline(t, dir, "list", "-f", "{{.TestGoFiles}}", "gridrun/rt"); tests[0] != "[]" {
		t.Errorf("tests of gridrun itself were copied: %v", tests)
	}
	offline(t, filepath.Join(dir, Sub), "vet", "./rt", "./collectives", "./lram")
	needs := offline(t, filepath.Join(dir, Sub), "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./rt", "./collectives", "./lram")
	needs = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(needs))), func(m string) bool { return m == "gridrun" || m == "" })
	if want := slices.Sorted(slices.Values(modules)); !slices.Equal(needs, want) {
		t.Errorf("rank programs need modules %q, the list has %q", needs, want)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module example/heat-flow\n") {
		t.Errorf("%s, %v", mod, err)
	}
}

func TestModuleName(t *testing.T) {
	for dir, want := range map[string]string{"/a/heat": "heat", "/a/Ärger 2": "rger-2", "/": "job", "/a/--": "job", "/x/.v1.": "v1"} {
		if got := moduleName(dir); got != want {
			t.Errorf("%q: %q, want %q", dir, got, want)
		}
	}
}

// TestRefuse: nothing that is there already is overwritten or removed.
func TestRefuse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own")
	if err := write(own, "go.mod", []byte("module example/own\n")); err != nil {
		t.Fatal(err)
	}
	if err := write(own, Sub+"/go.mod", []byte("module something/else\n")); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"binary", "notes"} {
		if err := write(filepath.Join(dir, program), "go.mod", []byte("module example/program\n")); err != nil {
			t.Fatal(err)
		}
	}
	binary, notes := filepath.Join(dir, "binary", Sub), filepath.Join(dir, "notes", Sub, "notes")
	if err := errors.Join(write(filepath.Dir(binary), Sub, []byte("ELF")), write(filepath.Dir(notes), "notes", []byte("mine"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{binary, notes} {
		program := strings.TrimSuffix(strings.TrimSuffix(path, "/notes"), "/"+Sub)
		if err := Update(gridrun.Source, program); err == nil || !strings.Contains(err.Error(), "is not a copy of gridrun") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	for what, err := range map[string]error{
		"not empty":        Create(gridrun.Source, dir),
		"file":             Create(gridrun.Source, file),
		"holds no program": Update(gridrun.Source, dir),
		"not a copy":       Update(gridrun.Source, own),
		"has":              Create(fstest.MapFS{"go.mod": {Data: []byte("module gridrun\ngo 1.26.0\n")}}, filepath.Join(dir, "new")),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %q", err, what)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUpdate: the copy is replaced as a whole, the program stays.
func TestUpdate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	if err := Create(gridrun.Source, dir); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, "main.go", []byte("package main\n\nfunc main() {}\n")); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, Sub+"/rt/old.go", []byte("package old\n")); err != nil {
		t.Fatal(err)
	}
	if err := Update(gridrun.Source, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, Sub, "rt", "old.go")); err == nil {
		t.Error("a file of the former copy stays")
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "main.go")); !strings.Contains(string(text), "func main() {}") {
		t.Errorf("the program was changed: %s", text)
	}
}
