package launcher

import (
	"strings"
	"testing"
)

// TestValidateLeavesWords: the commands of `a : b` may be parts of one slice.
func TestValidateLeavesWords(t *testing.T) {
	words := strings.Fields("echo a : -np 2 echo b")
	spec := Spec{Apps: []App{
		{NP: 1, Command: words[:2], Env: []string{"A=1", "B=2", "C=3", "D=4", "E=5"}},
		{NP: 1, Command: words[5:]},
	}}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(words, " "); got != "echo a : -np 2 echo b" {
		t.Errorf("the words are %q now", got)
	}
}
