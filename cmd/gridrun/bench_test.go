package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseBench(t *testing.T) {
	f, err := parseBench(strings.Fields("launch -np 7 -hostfile hosts --build-dir /shared --rounds 2 --limit 1m --phases --json"))
	if err != nil {
		t.Fatal(err)
	}
	l := f.Launch
	if l.NP != 7 || l.Hostfile != "hosts" || l.BuildDir != "/shared" || l.Rounds != 2 || time.Duration(l.Limit) != time.Minute || !l.Phases || !l.JSON {
		t.Errorf("%+v", l)
	}
	f, err = parseBench([]string{"launch", "-H", "a:2,b:2", "--program", "/bin/echo x"})
	if err != nil || f.Launch.Host != "a:2,b:2" || f.Launch.Program != "/bin/echo x" || f.Launch.NP != 93 || f.Launch.Rounds != 5 {
		t.Errorf("%+v, %v", f, err)
	}
	for words, part := range map[string]string{
		"launch -H a:2 --hostfile f --program x": "give one of them",
		"launch -H a:2":                          "--build-dir",
		"launch --hostfile f":                    "--build-dir",
		"launch --memory --program x":            "--memory",
		"launch --memory -H a:2":                 "--memory",
		"launch --limit 0":                       "--limit 0",
		"launch -np 0":                           "at least 1",
		"launch --what":                          "--what",
		"":                                       "launch",
	} {
		if _, err := parseBench(strings.Fields(words)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", words, err, part)
		}
	}
}
