package program

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	bin := filepath.Join(dir, "bin")
	tool := write(t, bin+"/tool", "#!/bin/sh\n", 0o755)
	write(t, bin+"/inert", "x", 0o644)
	write(t, bin+"/windshear", "#!/bin/sh\n", 0o755)
	here := write(t, dir+"/here", "#!/bin/sh\n", 0o755)
	write(t, dir+"/data.txt", "x", 0o644)
	write(t, dir+"/main.go", "package main", 0o644)
	os.Mkdir(dir+"/empty", 0o755)
	t.Setenv("PATH", bin+":relative::.")

	f := Finder{Jobs: []string{"windshear", "glove", "__hello"}, Cache: dir + "/cache"}
	for _, c := range []struct {
		name string
		want Program
		code int
		text string
	}{
		{name: "windshear", want: Program{Job: "windshear"}}, // the job comes before $PATH
		{name: "__hello", want: Program{Job: "__hello"}},
		{name: "tool", want: Program{Path: tool}},
		{name: "./here", want: Program{Path: here}},
		{name: here, want: Program{Path: here}},
		{name: "", code: 127, text: "empty"},
		{name: "winshear", code: 127, text: "did you mean windshear?"},
		{name: "here", code: 127, text: "did you mean ./here?"},
		{name: "_hello", code: 127, text: "gridrun jobs"},
		{name: "nothing-like-it", code: 127, text: "neither a built-in job"},
		{name: "./nothing", code: 127, text: "./nothing: no such file"},
		{name: "./here/below", code: 127, text: "no such file"},
		{name: "inert", code: 126, text: "inert is not executable"},
		{name: "./data.txt", code: 126, text: "not executable"},
		{name: "./main.go", code: 126, text: "name the directory"},
		{name: "/dev/null", code: 126, text: "neither a file nor a directory"},
		{name: "./empty", code: 126, text: "without Go files"},
	} {
		got, err := f.Find(context.Background(), c.name)
		if c.code == 0 {
			if err != nil || got.Path != c.want.Path || got.Job != c.want.Job {
				t.Errorf("%q: %+v, %v, want %+v", c.name, got, err, c.want)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Text, c.text) {
			t.Errorf("%q: %v, want code %d and %q", c.name, err, c.code, c.text)
		}
	}
}

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/go.mod", "module x\n\ngo 1.26\n", 0o644)
	write(t, dir+"/prog/main.go", "package main\n\nfunc main() { println(\"one\") }\n", 0o644)
	write(t, dir+"/lib/lib.go", "package lib\n", 0o644)
	write(t, dir+"/broken/main.go", "package main\n\nfunc main() { nonsense }\n", 0o644)
	f := Finder{Cache: dir + "/cache"}
	find := func(name string) (Program, error) { return f.Find(context.Background(), dir+"/"+name) }

	first, err := find("prog")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(first.Path).CombinedOutput(); err != nil || string(said) != "one\n" {
		t.Fatalf("%s: %q, %v", first.Path, said, err)
	}
	if again, err := find("prog"); err != nil || again.Path != first.Path {
		t.Errorf("built again: %v, %v, want %v", again, err, first)
	}
	write(t, dir+"/prog/main.go", "package main\n\nfunc main() { println(\"two\") }\n", 0o644)
	changed, err := find("prog")
	if err != nil || changed.Path == first.Path {
		t.Errorf("changed source: %v, %v", changed, err)
	}
	for name, want := range map[string]Error{
		"lib":    {NotExecutable, "no main package"},
		"broken": {Refused, "undefined: nonsense"},
	} {
		var e *Error
		if _, err := find(name); !errors.As(err, &e) || e.Code != want.Code || !strings.Contains(e.Text, want.Text) {
			t.Errorf("%s: %v, want code %d and %q", name, err, want.Code, want.Text)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Find(ctx, dir+"/prog"); err == nil {
		t.Error("a cancelled build succeeded")
	}
	if left, _ := filepath.Glob(dir + "/cache/build-*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	write(t, dir+"/odd [1]*/go.mod", "module odd\n\ngo 1.26\n", 0o644)
	write(t, dir+"/odd [1]*/main.go", "package main\n\nfunc main() {}\n", 0o644)
	if odd, err := find("odd [1]*"); err != nil || filepath.Base(odd.Path) != "odd [1]*" {
		t.Errorf("a directory whose name is a pattern: %v, %v", odd, err)
	}
	t.Chdir(dir + "/prog")
	if here, err := f.Find(context.Background(), "."); err != nil || here.Path != changed.Path {
		t.Errorf("of the directory below our feet: %v, %v, want %v", here, err, changed)
	}
	t.Setenv("PATH", "")
	var e *Error
	if _, err := find("prog"); !errors.As(err, &e) || !strings.Contains(e.Text, "no go command") {
		t.Errorf("without Go: %v", err)
	}
}

// TestPrune: what is built again stays, and what is nobody's program.
func TestPrune(t *testing.T) {
	cache := t.TempDir()
	now := time.Now()
	kept := map[string]bool{}
	for i, c := range []struct {
		name string
		age  time.Duration
		kept bool
	}{
		{strings.Repeat("a1", 32), maxAge + time.Hour, false},
		{strings.Repeat("a2", 32), maxAge - time.Hour, true},
		{strings.Repeat("a3", 31), maxAge + time.Hour, true},
		{"build-123", maxBuild + time.Hour, false},
		{"build-124", maxBuild - time.Hour, true},
		{"else", maxAge + time.Hour, true},
	} {
		path := filepath.Join(cache, c.name)
		write(t, filepath.Join(path, "prog"), "x", 0o600)
		if err := os.Chtimes(path, now, now.Add(-c.age)); err != nil {
			t.Fatal(i, err)
		}
		kept[c.name] = c.kept
	}
	prune(cache, now)
	for name, want := range kept {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"windshear", "glove", "np", "hostfile", "__hello"}
	for word, want := range map[string]string{"winshear": "windshear", "windhsear": "windshear", "hostfil": "hostfile", "glvoe": "glove", "xyzzy": "", "pn": "np", "glove": "", "__hell": ""} {
		if got := Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
