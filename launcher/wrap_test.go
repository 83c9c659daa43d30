package launcher

import (
	"strings"
	"testing"
)

func TestWrapPlaceholders(t *testing.T) {
	values := map[string]string{"rank": "3-5", "host": "node1", "job": "ab12"}
	for word, want := range map[string]string{
		"":                     "",
		"trace.{rank}":         "trace.3-5",
		"{host}/{job}/{rank}}": "node1/ab12/3-5}",
		"{{rank}":              "{rank}",
		"{{{rank}}":            "{3-5}",
		"{{{{":                 "{{",
		"{ print $1 }":         "{ print $1 }",
		"{1..3}":               "{1..3}",
		"{}":                   "{}",
		"${HOME}x{":            "${HOME}x{",
		"a{foo}":               "no placeholder {foo}; there are {rank}, {host}, {job}; a brace is written {{, as in {{foo}",
		"{Rank}":               "no placeholder {Rank}; there are {rank}, {host}, {job}; a brace is written {{, as in {{Rank}",
	} {
		got, err := expand(word, values)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if err := checkWrap([]string{"strace", "-o", "{job}.{ranks}"}); err == nil || !strings.HasPrefix(err.Error(), "--wrap: no placeholder {ranks}") {
		t.Error(err)
	}
	if err := checkWrap([]string{"strace", "-o", "{job}.{rank}.{host}", "{{x}"}); err != nil {
		t.Error(err)
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("a{rank}{{b}{")
	f.Fuzz(func(t *testing.T, word string) {
		values := map[string]string{"rank": "", "host": "", "job": ""}
		if got, err := expand(word, values); err == nil && len(got) > len(word) {
			t.Errorf("%q became %q", word, got)
		}
		// What is escaped comes out as it was.
		if got, err := expand(strings.ReplaceAll(word, "{", "{{"), values); err != nil || got != word {
			t.Errorf("%q escaped and expanded: %q, %v", word, got, err)
		}
	})
}
