package calibrate

import (
	"reflect"
	"strings"
	"testing"

	"gridrun/bench/message"
	"gridrun/internal/cost"
)

func TestCurveOf(t *testing.T) {
	row := func(test string, bytes int, ns float64) message.Row {
		return message.Row{Test: test, Bytes: bytes, Median: ns}
	}
	rows := []message.Row{
		row("latency", 64, 90), row("latency", 8, 500), row("exchange", 8, 1), // a round in which something disturbed
		row("latency", 64, 100), row("latency", 8, 95), row("latency", 512, 300),
	}
	want := cost.Curve{{Bytes: 8, Time: 90_000}, {Bytes: 64, Time: 90_000}, {Bytes: 512, Time: 300_000}}
	if got := curveOf(rows, "latency"); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := curveOf(rows, "barrier"); got != nil {
		t.Errorf("a test that was not run: %v", got)
	}
	if got := divided(cost.Curve{{Bytes: 0, Time: 64}, {Bytes: 1, Time: 3}}, 16); got[0].Time != 4 || got[1].Time != 1 {
		t.Errorf("%v", got)
	}
}

func TestJudge(t *testing.T) {
	q := Judge([]Verdict{
		{"Bcast", "a", 8, 100, 100}, {"Bcast", "b", 8, 400, 200}, // right
		{"Bcast", "a", 64, 100, 300}, {"Bcast", "b", 64, 400, 200}, // takes half as long again
	})
	if q.Cases != 2 || q.Right != 1 || q.Lost != 0.25 || q.LostMost != 0.5 || q.Median != 2 || q.Worst != 3 {
		t.Errorf("%+v", q)
	}
	if q := Judge(nil); q != (Quality{}) {
		t.Errorf("nothing to judge: %+v", q)
	}
	var b strings.Builder
	PrintCheck(&b, Trial{Over: message.SharedMemory, Ranks: 2, Sizes: []int{8}}, []Verdict{{"Bcast", "a", 8, 100_000, 300_000}, {"Bcast", "b", 8, 400_000, 200_000}})
	for _, part := range []string{"> 0.10 / 0.30", "< 0.40 / 0.20", "picked 0 times of 1", "50 % longer"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("no %q in\n%s", part, &b)
		}
	}
}

func TestSwitchPoints(t *testing.T) {
	flat := cost.Curve{{Bytes: 0, Time: 100}}
	steep := cost.Curve{{Bytes: 0, Time: 100}, {Bytes: 1 << 20, Time: 1 << 30}}
	l := cost.Layer{Latency: steep, Stream: steep, Exchange: steep, Crowd: steep}
	c := &cost.Costs{Cores: 2, Copy: flat, Fold: flat, Meet: 10, Visit: 10, Mem: l, Shm: l, TCP: l}
	for _, s := range Shapes(c, 8) {
		for _, op := range cost.Operations() {
			ranges := SwitchPoints(&s.Group, op)
			if len(ranges) == 0 || ranges[0].From != 0 {
				t.Errorf("%s, %s: %v", s.Name, op, ranges)
			}
			for i := 1; i < len(ranges); i++ {
				if ranges[i].From <= ranges[i-1].From || ranges[i].Name == ranges[i-1].Name {
					t.Errorf("%s, %s: %v", s.Name, op, ranges)
				}
			}
		}
	}
	for n, want := range map[int]string{0: "0", 48: "48", 1 << 10: "1K", 3 << 19: "1536K", 1 << 20: "1M", 1 << 30: "1G"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// TestTrials: every operation's bytes are counted as its algorithms count them.
func TestTrials(t *testing.T) {
	if n := counted("AllGather", 8, 5); n != 40 {
		t.Error(n)
	}
	if n := counted("Gather", 8, 5); n != 8 {
		t.Error(n)
	}
	if testOf("AllReduce") != "allreduce" || testOf("ExScan") != "" {
		t.Error("tests of operations")
	}
	for _, task := range []Task{{Cores: 2}, {Cores: 2, Hosts: []string{"-H", "a:4,b:4"}, Slots: 4}} {
		for _, r := range task.runs() {
			if away := strings.Contains(strings.Join(r.flags, " "), "a:4"); away != (task.Hosts != nil && strings.HasPrefix(r.what, "tcp")) {
				t.Errorf("%s: %q", r.what, r.flags)
			}
		}
	}
}
