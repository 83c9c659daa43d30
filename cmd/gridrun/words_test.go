package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func knownFlags(t testing.TB) []flagSpec {
	t.Helper()
	_, known, err := model(new(runFlags))
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestSplit(t *testing.T) {
	known := knownFlags(t)
	for line, want := range map[string][]section{
		"prog -np 3":                    {{command: []string{"prog", "-np", "3"}}},
		"-np 3 prog":                    {{[]string{"--np=3"}, []string{"np"}, []string{"prog"}}},
		"-np=3 -n3 -n 3 --np 3 --n=3 p": {{[]string{"--np=3", "--np=3", "--np=3", "--np=3", "--np=3"}, []string{"np", "np", "np", "np", "np"}, []string{"p"}}},
		"-tag-output -v -x A=-n p":      {{[]string{"--tag-output", "--verbose", "--export=A=-n"}, []string{"tag-output", "verbose", "export"}, []string{"p"}}},
		"--no-tag-output -no-verbose p": {{[]string{"--tag-output=false", "--verbose=false"}, []string{"tag-output", "verbose"}, []string{"p"}}},
		"--tag-output=false p":          {{[]string{"--tag-output=false"}, []string{"tag-output"}, []string{"p"}}},
		"-machinefile f -wd d -hosts a p": {{[]string{"--hostfile=f", "--wdir=d", "--host=a"},
			[]string{"hostfile", "wdir", "host"}, []string{"p"}}},
		"-H a:2 -v --host=b p": {{[]string{"--host=a:2,b", "--verbose"}, []string{"host", "verbose"}, []string{"p"}}},
		"a : -np 2 b : c":      {{command: []string{"a"}}, {[]string{"--np=2"}, []string{"np"}, []string{"b"}}, {command: []string{"c"}}},
		"-- a : b":             {{command: []string{"a", ":", "b"}}},
		"a : -- b : c":         {{command: []string{"a"}}, {command: []string{"b", ":", "c"}}},
		"-np 2":                {{flags: []string{"--np=2"}, names: []string{"np"}}},
		"-":                    {{command: []string{"-"}}},
	} {
		got, err := split(strings.Fields(line), known)
		for i := range got {
			if len(got[i].command) == 0 {
				got[i].command = nil
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", line, got, err, want)
		}
	}
	for line, part := range map[string]string{
		"--nope p":      "unknown flag --nope",
		"--no-np p":     "unknown flag --no-np",
		"-nope p":       "unknown flag -nope",
		"-vx p":         "unknown flag -vx",
		"--dryrun p":    "did you mean --dry-run?",
		"-ppn 2 p":      "unknown flag -ppn; gridrun has --map-by ppr:N",
		"--ntasks=2 p":  "unknown flag --ntasks=2; gridrun has -np N",
		"-np":           "-np needs a value",
		": b":           "no program before the colon",
		"a : : b":       "no program before the colon",
		"-np 2 : -np 3": "no program before the colon",
	} {
		if got, err := split(strings.Fields(line), known); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %+v, %v, want %q", line, got, err, part)
		}
	}
}

// TestForeign: what is advised is there, and what is there is not called foreign.
func TestForeign(t *testing.T) {
	known := knownFlags(t)
	for name, ours := range foreign {
		for _, dashes := range []string{"-", "--"} {
			if f, _, _, ok := findFlag(dashes+name, known); ok {
				t.Errorf("%s%s is --%s", dashes, name, f.name)
			}
		}
		for word := range strings.FieldsSeq(ours) {
			if _, _, _, ok := findFlag(strings.Trim(word, ",;`"), known); strings.HasPrefix(word, "-") && !ok {
				t.Errorf("%s: there is no %s", name, word)
			}
		}
	}
}

func TestParseConfig(t *testing.T) {
	known := knownFlags(t)
	got, err := parseConfig("f", strings.NewReader("# text\n np=2 \n\ntag-output\nexport = A = b\nno-verbose\n"), known)
	want := section{flags: []string{"--np=2", "--tag-output", "--export=A = b", "--verbose=false"}, names: []string{"np", "tag-output", "export", "verbose"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for text, part := range map[string]string{"nope = 1": "f:1: unknown flag nope", "\nnp": "f:2: np needs a value", "=": "f:1: unknown flag"} {
		if _, err := parseConfig("f", strings.NewReader(text), known); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", text, err, part)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"-np 2 a b : -x A=b c", "--", "-- :", "-n", "--np=", "-=", "a : b :"} {
		f.Add(s)
	}
	known := knownFlags(f)
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		sections, err := split(words, known)
		if err != nil {
			return
		}
		n := 0
		for _, s := range sections {
			n += len(s.command)
			for _, flag := range s.flags {
				if !strings.HasPrefix(flag, "--") {
					t.Fatalf("%q gives flag %q", line, flag)
				}
			}
		}
		if n > len(words) {
			t.Fatalf("%q: %d words of programs from %d", line, n, len(words))
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add("np = 3\n# x\ntag-output\n")
	known := knownFlags(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseConfig("f", strings.NewReader(text), known)
		if err == nil && len(s.flags) != len(s.names) {
			t.Fatalf("%q: %+v", text, s)
		}
	})
}

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                        nil,
		"  \t ":                   nil,
		"a b":                     {"a", "b"},
		" a  'b c' \"d e\" f\\ g": {"a", "b c", "d e", "f g"},
		`''`:                      {""},
		`a'b'"c"`:                 {"abc"},
		`"a\"b\\c\d" '\'`:         {`a"b\c\d`, `\`},
	} {
		if got, err := splitWords(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`'`, `"a`, `a\`, `"\"`} {
		if got, err := splitWords(text); err == nil {
			t.Errorf("%q: %q, want an error", text, got)
		}
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"2": 2 * time.Second, "1.5": 1500 * time.Millisecond, "2m": 2 * time.Minute, "0": 0, "1e9": 1e9 * time.Second} {
		var s seconds
		if err := s.UnmarshalText([]byte(text)); err != nil || time.Duration(s) != want {
			t.Errorf("%q: %v, %v", text, time.Duration(s), err)
		}
	}
	for _, text := range []string{"", "x", "-1", "-1s", "NaN", "Inf", "-Inf", "1e10", "2562047h", "300000h"} {
		var s seconds
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %v, want an error", text, time.Duration(s))
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`a 'b "c' \d`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := splitWords(text)
		if err == nil && len(strings.Join(words, "")) > len(text) {
			t.Fatalf("%q: %q", text, words)
		}
	})
}
