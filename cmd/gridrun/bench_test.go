package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gridrun/bench/kernels"
	"gridrun/bench/message"
)

// benchTask reads words after bench p2p or bench collectives.
func benchTask(words string) (message.Task, error) {
	v, rest, err := findVerb(append([]string{"bench"}, strings.Fields(words)...))
	if err != nil {
		return message.Task{}, err
	}
	if _, err := v.parse(rest); err != nil {
		return message.Task{}, err
	}
	t := v.command.(interface{ task() message.Task }).task()
	return t, t.Check()
}

func TestParseBenchTasks(t *testing.T) {
	got, err := benchTask("p2p --over tcp --sizes 8,64K,1M --tests latency,rate --budget 0.2")
	want := message.Task{
		Ranks: 2, Over: message.TCP, Tests: []string{"latency", "rate"}, Sizes: []int{8, 64 << 10, 1 << 20},
		Rounds: 7, Budget: 200 * time.Millisecond, Limit: 2 * time.Minute,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	got, err = benchTask("collectives -np 93")
	if err != nil || got.Ranks != 93 || !reflect.DeepEqual(got.Tests, message.CollectiveTests()) {
		t.Errorf("%+v, %v", got, err)
	}
	for words, part := range map[string]string{
		"p2p --nosuch 1":         "`gridrun help bench p2p` lists them",
		"p2p --budget 0":         "a --budget",
		"p2p -np 1":              "at least 2",
		"p2p --tests latncy":     "no such test",
		"p2p --sizes 7":          "multiples of 8",
		"collectives --sizes 2G": "no size",
		"collectives --over ib":  "--over",
	} {
		if _, err := benchTask(words); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", words, err, part)
		}
	}
}

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
		"--warm":                          "--warm is for other hosts",
		"--memory --program x":            "--memory",
		"--memory -H a:2":                 "--memory",
		"--talk":                          "--memory",
		"--kill --memory":                 "--kill",
		"--kill --program x":              "--kill",
		"--kill -np 1":                    "-np 2",
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

// TestBenchJSON: programs that read measurements find the fields that they know, and
// docs/benchmarks.md explains each.
func TestBenchJSON(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	const machine = "machine.cpu machine.cores machine.memory_bytes machine.kernel machine.go machine.date machine.load "
	for _, c := range []struct {
		report any
		fields string
	}{
		{message.Report{}, machine + "over ranks rounds names[] cases[].test cases[].bytes " +
			"cases[].figures[].name cases[].figures[].unit cases[].figures[].value cases[].figures[].best cases[].figures[].p90 cases[].figures[].p99 cases[].figures[].ratio " +
			"cases[].figures[].runs[].test cases[].figures[].runs[].bytes cases[].figures[].runs[].samples " +
			"cases[].figures[].runs[].min_ns cases[].figures[].runs[].median_ns cases[].figures[].runs[].p90_ns cases[].figures[].runs[].p99_ns " +
			"lost[] missing[] busy_cpus[]"},
		{kernels.Report{}, machine + "bytes[] copy_gb_per_s[] limit_gb_per_s[] rounds rows[].op rows[].type rows[].gb_per_s[] rows[].of_limit[] rows[].allocations"},
	} {
		got := jsonFields(reflect.TypeOf(c.report), "")
		for _, f := range strings.Fields(c.fields) {
			if !slices.Contains(got, f) {
				t.Errorf("%T has lost %s", c.report, f)
			}
		}
		for _, f := range got {
			name := strings.TrimSuffix(f[strings.LastIndex(f, ".")+1:], "[]")
			if !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("docs/benchmarks.md does not explain %s of %T", f, c.report)
			}
		}
	}
}

// jsonFields are the paths of the values that t is encoded as.
func jsonFields(t reflect.Type, path string) (fields []string) {
	switch t.Kind() {
	case reflect.Slice:
		return jsonFields(t.Elem(), path+"[]")
	case reflect.Struct:
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			fields = append(fields, jsonFields(t.Field(i).Type, strings.TrimPrefix(path+"."+name, "."))...)
		}
		return fields
	}
	return []string{path}
}
