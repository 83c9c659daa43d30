package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gridrun/cmd/gridrun/manual"
	"gridrun/internal/needs"
)

func TestComplete(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	os.Mkdir(home+"/.ssh", 0o700)
	os.WriteFile(home+"/.ssh/config", []byte("Host node1 *.example !x\n  User me\nhost gate\n"), 0o600)
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string // the last word is being typed
		has  string
		not  string
		more string
	}{
		{"", "jobs bench windshear completion", "--np __hello", manual.Programs},
		{"wind", "windshear", "jobs", manual.Programs},
		{"--ta", "--tag-output", "--np", manual.Nothing},
		{"-", "--np --hostfile --stdin --help", "--rounds", manual.Nothing},
		{"run ", "windshear", "jobs", manual.Programs},
		{"-np 4 ", "windshear", "jobs", manual.Programs},
		{"-n 4 wind", "windshear", "", manual.Programs},
		{"--hostfile ", "", "windshear", manual.Files},
		{"--hostfile = h", "", "windshear", manual.Files},
		{"--wdir ", "", "windshear", manual.Dirs},
		{"--stdin ", "all none", "windshear", manual.Nothing},
		{"-H ", "node1 gate", "*.example", manual.Nothing},
		{"--tag-output ", "windshear", "", manual.Programs},
		{"windshear --", "", "--np", manual.Files},
		{"-np 2 ./prog ", "", "windshear", manual.Files},
		{"bench ", "launch", "jobs", manual.Nothing},
		{"bench launch --r", "--rounds", "--np", manual.Nothing},
		{"help ", "bench", "--np", manual.Nothing},
		{"completion ", "bash fish zsh", "", manual.Nothing},
		{"jobs ", "", "windshear", manual.Nothing},
	} {
		words := strings.Split(c.line, " ")
		got, more := b.Complete(words, choices)
		for _, w := range strings.Fields(c.has) {
			if !slices.Contains(got, w) {
				t.Errorf("%q: no %s in %v", c.line, w, got)
			}
		}
		for _, w := range strings.Fields(c.not) {
			if slices.Contains(got, w) {
				t.Errorf("%q: %s in %v", c.line, w, got)
			}
		}
		if more != c.more {
			t.Errorf("%q: then %s, want %s", c.line, more, c.more)
		}
	}
}

func FuzzComplete(f *testing.F) {
	f.Add("-np 4 wind")
	f.Add("bench --")
	b, err := book()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		got, more := b.Complete(words, func(string) []string { return []string{"x"} })
		last := words[len(words)-1]
		for _, w := range got {
			if last != "=" && !strings.HasPrefix(w, last) {
				t.Fatalf("%q becomes %q", last, w)
			}
		}
		if more == "" {
			t.Fatal("nothing is said of the rest")
		}
	})
}

// bash itself completes with the script.
func TestBashCompletes(t *testing.T) {
	cmd := exec.Command(needs.Command(t, "bash", "bash"), "-c", `
source <(gridrun completion bash)
try() { COMP_WORDS=(gridrun "$@"); COMP_CWORD=$#; compopt() { :; }; COMPREPLY=(); _gridrun; echo "${COMPREPLY[*]}"; }
try --tag
try -np 4 windsh
try --hostfile = ho
try bench la
`)
	cmd.Dir = t.TempDir()
	os.WriteFile(cmd.Dir+"/hosts", nil, 0o600)
	cmd.Env = append(os.Environ(), "PATH="+bin(t)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if want := "--tag-output\nwindshear\nhosts\nlaunch\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

// Each script is one that its shell can read; shells that are not there are left
// to those who have them.
func TestScriptsOfShells(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range manual.Shells {
		script, err := b.Script(shell)
		if err != nil || !strings.Contains(script, "gridrun __complete") && !strings.Contains(script, "__complete") || strings.Contains(script, "PROGRAM") {
			t.Errorf("%s: %v", shell, err)
		}
		if path, err := exec.LookPath(shell); err == nil {
			check := exec.Command(path, "-n")
			check.Stdin = strings.NewReader(script)
			if said, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, said)
			}
		}
	}
	if _, err := b.Script("tcsh"); err == nil || !strings.Contains(err.Error(), "bash, fish, zsh") {
		t.Error(err)
	}
}

// groff accepts the page, and it tells of every verb and flag.
func TestMan(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	page := b.Man("1", manSections()...)
	groff := exec.Command(needs.Command(t, "groff", "groff-base"), "-man", "-Tascii", "-ww", "-P-cbou")
	groff.Stdin = strings.NewReader(page)
	var shown, said bytes.Buffer
	groff.Stdout, groff.Stderr = &shown, &said
	if err := groff.Run(); err != nil || said.Len() > 0 {
		t.Fatalf("%v: %s", err, said.Bytes())
	}
	text := shown.String()
	for _, v := range verbs() {
		if !strings.Contains(text, v.name) {
			t.Errorf("no %s", v.name)
		}
		_, known, _ := model(v.command)
		for _, f := range known {
			if !f.hidden && !strings.Contains(text, "--"+f.name) {
				t.Errorf("%s: no --%s", v.name, f.name)
			}
		}
	}
	for _, part := range []string{"NAME", "SYNOPSIS", "EXIT STATUS", "~/.config/gridrun/config", "GRIDRUN_RANK"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s", part)
		}
	}
}
