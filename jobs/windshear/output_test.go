package windshear

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestOutputIsAllOrNothing(t *testing.T) {
	for _, named := range []bool{false, true} {
		allOrNothing(t, named)
	}
}

func allOrNothing(t *testing.T, named bool) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	o, err := openOutput(dir)
	if err != nil {
		t.Fatal(err)
	}
	o.named = named
	if err := o.write("one", []byte("1")); err != nil {
		t.Fatal(err)
	}
	o.discard()
	if got := listing(t, root); got != "" {
		t.Errorf("after discard %q is left", got)
	}

	if o, err = openOutput(dir); err != nil {
		t.Fatal(err)
	}
	o.named = named
	for _, name := range []string{"one", "two"} {
		if err := o.write(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.commit(); err != nil {
		t.Fatal(err)
	}
	o.discard()
	if got := listing(t, dir); got != "one two" {
		t.Errorf("after commit there are %q", got)
	}

	// A second run replaces the files.
	if o, err = openOutput(dir); err != nil {
		t.Fatal(err)
	}
	o.named = named
	if err := o.write("two", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir, "two"); got != "two" {
		t.Errorf("before its commit a file reads %q", got)
	}
	if err := o.commit(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir, "two"); got != "new" || listing(t, dir) != "one two" {
		t.Errorf("replaced by %q, there are %s", got, listing(t, dir))
	}

	file := filepath.Join(dir, "one")
	if _, err := openOutput(file); err == nil || !strings.Contains(err.Error(), "--out names a directory") {
		t.Errorf("a file as --out: %v", err)
	}
	if _, err := openOutput(filepath.Join(file, "sub")); err == nil {
		t.Error("a directory below a file was made")
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "one" {
		t.Errorf("the file has %q, %v", content, err)
	}
}
