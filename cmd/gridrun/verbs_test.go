package main

import (
	"slices"
	"strings"
	"testing"

	"gridrun/cmd/gridrun/manual"
	"gridrun/launcher/place"
)

// TestEveryVerbIsExplained keeps the help honest.
func TestEveryVerbIsExplained(t *testing.T) {
	var all strings.Builder
	if err := help(&all); err != nil {
		t.Fatal(err)
	}
	for _, v := range verbs() {
		var own strings.Builder
		if err := help(&own, strings.Fields(v.name)...); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(all.String(), "\n  "+v.name) || !strings.HasSuffix(v.summary, ".") {
			t.Errorf("%s: not in the help, or its summary is no sentence: %q", v.name, v.summary)
		}
		k, known, err := model(v.command)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range known {
			if shown := strings.Contains(own.String(), "--"+f.name); shown == f.hidden {
				t.Errorf("%s --%s: in the help %v, hidden %v", v.name, f.name, shown, f.hidden)
			}
		}
		for _, f := range k.Model.Flags {
			if f.Help == "" && !f.Hidden || !f.IsBool() && f.PlaceHolder == "" {
				t.Errorf("%s --%s: no help, or no placeholder", v.name, f.Name)
			}
		}
		for line := range strings.Lines(own.String()) {
			if len(line) > 81 {
				t.Errorf("%s: longer than 80 columns: %s", v.name, line)
			}
		}
	}
}

// TestEveryFlagHasAVariable: two verbs must not mean two things by one name.
func TestEveryFlagHasAVariable(t *testing.T) {
	run := knownFlags(t)
	for _, v := range verbs() {
		_, known, err := model(v.command)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range known {
			i := slices.IndexFunc(run, func(g flagSpec) bool { return f.name == g.name })
			if i >= 0 && (run[i].value != f.value || run[i].short != f.short) {
				t.Errorf("%s --%s is another kind of flag than that of run", v.name, f.name)
			}
		}
	}
}

func TestFindVerb(t *testing.T) {
	for line, want := range map[string]string{
		"true":               "run true",
		"run jobs":           "run jobs",
		"-np 4 jobs":         "run -np 4 jobs",
		"jobs":               "jobs",
		"bench launch -np 2": "bench launch -np 2",
		"bench --help":       "",
		"bench":              "bench what?",
		"bench nothing":      "bench what?",
	} {
		v, rest, err := findVerb(strings.Fields(line))
		got := ""
		switch {
		case err != nil:
			if got = err.Error(); strings.HasPrefix(got, want) {
				got = want
			}
		case v != nil:
			got = strings.Join(append([]string{v.name}, rest...), " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestVerbArguments(t *testing.T) {
	for _, c := range []struct{ args, given, says string }{
		{"", "", ""},
		{"", "x", "takes no arguments"},
		{"JOB", "", "needs JOB"},
		{"JOB", "x", ""},
		{"JOB", "x y", "takes JOB and no more"},
		{"[JOB]", "", ""},
		{"[JOB]", "x y", "and no more"},
		{"FILE...", "", "needs FILE..."},
		{"FILE...", "x y z", ""},
		{"[FILE...]", "", ""},
		{"A [B]", "x", ""},
		{"A [B]", "x y", ""},
		{"A [B]", "x y z", "and no more"},
	} {
		err := (&verb{name: "v", args: c.args}).count(strings.Fields(c.given))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q, given %q: %v, want %q", c.args, c.given, err, c.says)
		}
	}
}

func TestVerbFlagsStandAnywhere(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("GRIDRUN_HOSTFILE", "theirs")
	t.Setenv("GRIDRUN_ROUNDS", "77") // no flag of run
	v := &verb{name: "v", args: "[A...]", command: new(launchFlags)}
	args, err := v.parse(strings.Fields("a --rounds 3 b -np 2 -- --json"))
	f := v.command.(*launchFlags)
	if err != nil || strings.Join(args, " ") != "a b --json" || f.Rounds != 3 || f.NP != 2 || f.JSON || f.Hostfile != "theirs" {
		t.Errorf("%q, %+v, %v", args, f, err)
	}
	if _, err := v.parse([]string{"a", "--help"}); err != errHelp {
		t.Errorf("--help: %v", err)
	}
}

// TestListHosts: what `hosts list` shows is a hostfile that means the same.
func TestListHosts(t *testing.T) {
	file := "bob@node1 slots=4 port=2222\nnode2 port=23\nrack[1-2]-node[08-11] slots=3 max_slots=9\nfe80::1%eth0 slots=2\nfe80::2 port=22\nnode7\n"
	want, err := place.ParseHostfile("f", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := listHosts(&text, want); err != nil {
		t.Fatal(err)
	}
	got, err := place.ParseHostfile("listed", strings.NewReader(text.String()))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v, from:\n%s", got, err, want, text.String())
	}
}

func TestHelpOfNothing(t *testing.T) {
	if err := help(new(strings.Builder), "nonsense"); err == nil || !strings.Contains(err.Error(), "bench, ") {
		t.Error(err)
	}
	if text, ok := (manual.Book{Name: "x", Commands: []manual.Command{{Name: "run"}}}).Help("run"); !ok || text == "" {
		t.Error("an empty book has no help")
	}
}
