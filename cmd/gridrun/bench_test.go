package main

import (
	"strings"
	"testing"
	"time"
)

// benchLaunch reads words after bench launch.
func benchLaunch(words string) (*launchFlags, error) {
	v, rest, err := findVerb(append([]string{"bench", "launch"}, strings.Fields(words)...))
	if err != nil {
		return nil, err
	}
	if _, err := v.parse(rest); err != nil {
		return nil, err
	}
	f := v.command.(*launchFlags)
	return f, f.check()
}

func TestParseBench(t *testing.T) {
	l, err := benchLaunch("-np 7 -hostfile hosts --build-dir /shared --rounds 2 --limit 1m --phases --json")
	if err != nil {
		t.Fatal(err)
	}
	if l.NP != 7 || l.Hostfile != "hosts" || l.BuildDir != "/shared" || l.Rounds != 2 || time.Duration(l.Limit) != time.Minute || !l.Phases || !l.JSON {
		t.Errorf("%+v", l)
	}
	l, err = benchLaunch("-H a:2,b:2 --program /bin/echo")
	if err != nil || l.Host != "a:2,b:2" || l.Program != "/bin/echo" || l.NP != 93 || l.Rounds != 5 {
		t.Errorf("%+v, %v", l, err)
	}
	for words, part := range map[string]string{
		"-H a:2 --hostfile f --program x": "give one of them",
		"-H a:2":                          "--build-dir",
		"--hostfile f":                    "--build-dir",
		"--memory --program x":            "--memory",
		"--memory -H a:2":                 "--memory",
		"--limit 0":                       "--limit 0",
		"-np 0":                           "at least 1",
		"--what":                          "--what",
		"more":                            "takes no arguments",
	} {
		if _, err := benchLaunch(words); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", words, err, part)
		}
	}
}
