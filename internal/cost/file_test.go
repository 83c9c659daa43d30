package cost

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	c := machine(5*Microsecond, 100)
	got, err := Parse(c.String())
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Fatalf("%+v, %v; want %+v", got, err, c)
	}
	good := c.String()
	for name, bad := range map[string]string{
		"nothing":          "",
		"a figure missing": strings.Replace(good, "visit=", "vist=", 1),
		"another one":      good + ";speed=9",
		"twice":            good + ";cores=2",
		"no cores":         strings.Replace(good, "cores=2", "cores=0", 1),
		"less than none":   strings.Replace(good, "cores=2", "cores=-2", 1),
		"endless":          strings.Replace(good, "copy=0:0", "copy=0:99999999999999999", 1),
		"descending":       strings.Replace(good, "copy=0:0", "copy=2097152:0", 1),
		"no points":        strings.Replace(good, "copy=0:0", "copy=", 1),
		"half a point":     strings.Replace(good, "copy=0:0", "copy=0", 1),
		"a novel":          good + strings.Repeat(" ", maxText),
	} {
		if got, err := Parse(bad); err == nil {
			t.Errorf("%s: %+v", name, got)
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
			t.Errorf("%s: not a line: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(machine(5*Microsecond, 100).String())
	f.Add("cores=1;copy=8:1")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v, %v; want %+v", again, err, c)
		}
		for _, g := range []*Group{hosts(c, 5), oneHost(c, 93)} { // whatever the figures, there is an answer
			for _, op := range Operations() {
				if best, ok := g.Best(op, false, true, 1<<30); !ok || best.Time < 0 {
					t.Fatalf("%s: %+v", op, best)
				}
			}
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add(Record{Machine{"cpu", 2, "linux"}, "now", "", *machine(5*Microsecond, 100)}.text())
	f.Add(version + "\n\n\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseFile(text)
		if err != nil {
			return
		}
		if again, err := parseFile(r.text()); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v, %v; want %+v", again, err, r)
		}
	})
}

func FuzzWishes(f *testing.F) {
	f.Add("AllReduce=ring,Bcast=shared")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWishes(text)
		for op, name := range w {
			if err != nil || name != Shared && name != Hierarchical && !Suits(op, name, false) {
				t.Fatalf("%s=%s, %v", op, name, err)
			}
		}
	})
}

func TestFile(t *testing.T) {
	here := ThisMachine()
	path := here.Path(filepath.Join(t.TempDir(), "costs"))
	if _, err := Read(path, here); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	want := Record{Machine: here, Taken: "today", Between: "a,b", Costs: *machine(5*Microsecond, 100)}
	want.Costs.Cores = here.Cores
	for range 2 { // also over an old one
		if err := want.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Read(path, here); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left beside the file: %v", left)
	}
	updated := here
	updated.Kernel += "-new"
	if _, err := Read(path, updated); !errors.Is(err, ErrOther) {
		t.Errorf("another kernel: %v", err)
	}
	if updated.Path("") != here.Path("") {
		t.Error("after a change of the kernel the file is not found, and so not said to be stale")
	}
	smaller := here
	smaller.Cores++
	if smaller.Path("") == here.Path("") {
		t.Error("a machine of other cores has the same file")
	}
	text, _ := os.ReadFile(path)
	for name, bad := range map[string]string{
		"cut off": string(text[:len(text)-20]), "empty": "", "another version": "gridrun costs 0" + string(text[len(version):]),
		"more": string(text) + "x\n",
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path, here); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want a line that names the file", name, err)
		}
	}
}

// TestFind: the figures of the fewest hosts that have all of a job's, else this
// machine's; those of other machines are nobody's here.
func TestFind(t *testing.T) {
	dir, m, other := t.TempDir(), Machine{"cpu", 2, "linux 1"}, Machine{"another", 2, "linux 1"}
	if _, err := Find(filepath.Join(dir, "none"), m, []string{"a"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	keep := func(m Machine, taken string, hosts ...string) {
		t.Helper()
		r := Record{m, taken, Among(hosts), *machine(5*Microsecond, 100)}
		if err := r.Write(m.Path(dir, hosts...)); err != nil {
			t.Fatal(err)
		}
	}
	keep(m, "here")
	keep(m, "three", "b", "c", "a")
	keep(m, "four", "a", "b", "c", "d")
	keep(other, "elsewhere", "a", "e")
	keep(Machine{"cpu", 2, "linux 0"}, "stale", "f", "g")
	if err := os.WriteFile(filepath.Join(dir, "zz"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for hosts, want := range map[string]string{
		"": "here", "a": "three", "a b c": "three", "c b b": "three", "d": "four", "a d": "four", "a e": "here", "x": "here",
	} {
		if r, err := Find(dir, m, strings.Fields(hosts)); err != nil || r.Taken != want {
			t.Errorf("%q: %q, %v, want %q", hosts, r.Taken, err, want)
		}
	}
	if _, err := Find(dir, m, []string{"g"}); !errors.Is(err, ErrOther) {
		t.Errorf("stale: %v", err)
	}
}
