package job

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/diagnose"
	"gridrun/launcher/rankset"
)

var rewrite = flag.Bool("rewrite", false, "write what happens into testdata instead of comparing")

// TestTranscripts plays testdata/*.txt. A line at the margin is an event (or a
// comment); the indented lines below it are what the machine does about it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s differs; this is what happens now (-rewrite keeps it):\n%s", path, got)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	var out strings.Builder
	var m *Machine
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		args := map[string]string{}
		text := ""
		for i, w := range words[1:] {
			if k, v, ok := strings.Cut(w, "="); ok {
				args[k] = v
				if k == "text" { // the rest of the line
					text = strings.TrimPrefix(strings.Join(words[i+1:], " "), "text=")
					break
				}
			}
		}
		num := func(key string) int {
			n, err := strconv.Atoi(args[key])
			if err != nil && args[key] != "" {
				t.Fatalf("%q: %v", line, err)
			}
			return n
		}
		if words[0] == "job" {
			cfg := Config{Hosts: strings.Split(args["hosts"], ","), Grace: 2 * time.Second, Timeout: time.Minute, Continue: args["continue"] != ""}
			for spec := range strings.SplitSeq(args["procs"], "/") { // host:ranks of each
				host, set, _ := strings.Cut(spec, ":")
				h, _ := strconv.Atoi(host)
				ranks, err := rankset.Expand(set)
				if err != nil {
					t.Fatal(err)
				}
				cfg.Procs = append(cfg.Procs, Proc{Host: h, Ranks: ranks})
			}
			var actions []Action
			m, actions = New(cfg)
			show(&out, m, Starting, actions)
			continue
		}
		before := m.Phase()
		var e Event
		switch words[0] {
		case "ready":
			e = HostReady{num("host")}
		case "done":
			e = HostDone{num("host")}
		case "lost":
			e = HostLost{Host: num("host"), Why: text, GivenUp: args["givenup"] != "", Behind: args["behind"], Cut: args["cut"] != ""}
		case "toldhost":
			way, err := rankset.Expand(args["way"])
			if err != nil {
				t.Fatal(err)
			}
			e = HostTold{num("host"), way}
		case "relay":
			e = RelayLost{num("host"), text}
		case "alive":
			e = HostAlive{num("host"), uint32(num("number"))}
		case "started":
			e = ProcStarted{num("proc"), num("pid")}
		case "exit":
			e = ProcExited{wire.Exit{Proc: num("proc"), Code: num("code"), Signal: num("signal"), Stop: args["stop"] != "", Error: text}}
		case "failed":
			e = RankFailed{wire.Failure{Rank: num("rank"), Code: num("code"), Collateral: args["collateral"] != "", Aborted: args["aborted"] != "", Text: text}}
		case "report":
			r := HostReport{Host: num("host"), Report: wire.Report{Seq: uint32(max(1, num("seq"))), Span: int64(time.Second)}}
			for p, spec := range m.cfg.Procs {
				if spec.Host == r.Host {
					r.Report.Procs = append(r.Report.Procs, wire.ProcState{Proc: p, State: "R", Load: 99})
				}
			}
			for w := range strings.SplitSeq(args["waits"], "/") { // rank:op:peer:tag:seq
				if f := strings.Split(w, ":"); len(f) == 5 {
					n := func(i int) int { v, _ := strconv.Atoi(f[i]); return v }
					r.Report.Waits = append(r.Report.Waits, wire.Wait{Root: -1, Count: -1, Rank: n(0), Op: f[1], Peer: n(2), Tag: int32(n(3)), Seq: uint32(n(4)), Since: int64(4200 * time.Millisecond)})
				}
			}
			e = r
		case "interrupt":
			e = Interrupted{num("signal")}
		case "output":
			e = OutputLost{text}
		case "timeout":
			e = TimedOut{}
		case "ask":
			e = Asked{By: num("by"), Deep: args["light"] == ""}
		case "told":
			e = ProcTold{wire.Told{Proc: num("proc"), Seq: uint32(num("seq")), Stacks: []byte(strings.ReplaceAll(text, `\n`, "\n"))}}
		case "rang":
			e = Rang{Timer(args["timer"])}
		default:
			t.Fatalf("%q is no event", line)
		}
		show(&out, m, before, m.Step(e))
	}
	return out.String()
}

func show(out *strings.Builder, m *Machine, before Phase, actions []Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case Send:
			fmt.Fprintf(out, "    to host %d: %s %+v\n", a.Host, strings.TrimPrefix(fmt.Sprintf("%T", a.Message), "*wire."), strings.TrimPrefix(fmt.Sprintf("%+v", a.Message), "&"))
		case Arm:
			fmt.Fprintf(out, "    arm %s, %v\n", a.Timer, a.After)
		case Answer:
			fmt.Fprintf(out, "    answer to %v\n%s", a.To, "      "+strings.ReplaceAll(strings.TrimRight(diagnose.Text(a.Job, false), "\n"), "\n", "\n      ")+"\n")
		case Tell:
			fmt.Fprintf(out, "    tell %s\n", a.Text)
		case Probe:
			fmt.Fprintf(out, "    probe host %d, number %d\n", a.Host, a.Number)
		case Hold:
			out.WriteString("    hold\n")
		case Abandon:
			fmt.Fprintf(out, "    abandon host %d\n", a.Host)
		}
	}
	if m.Phase() != before {
		fmt.Fprintf(out, "    %v\n", m.Phase())
	}
	if m.Phase() == Ended && before != Ended {
		r := m.Result()
		fmt.Fprintf(out, "    result %d %q\n", r.Code, r.Summary)
		if r.Again || r.Lost != nil {
			fmt.Fprintf(out, "    again %v, lost hosts %v\n", r.Again, r.Lost)
		}
	}
}

// TestAnyOrderEnds feeds random events: whatever comes, the machine must not
// panic, must end once every host is gone, and must not move after that.
func TestAnyOrderEnds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range 2000 {
		cfg := Config{Grace: time.Second, Continue: rnd.IntN(2) == 0}
		for h := range 1 + rnd.IntN(5) {
			cfg.Hosts = append(cfg.Hosts, fmt.Sprint("h", h))
		}
		ranks := 0
		for range 1 + rnd.IntN(6) {
			p := Proc{Host: rnd.IntN(len(cfg.Hosts))}
			for range 1 + rnd.IntN(2) {
				p.Ranks = append(p.Ranks, ranks)
				ranks++
			}
			cfg.Procs = append(cfg.Procs, p)
		}
		m, _ := New(cfg)
		failed := false
		for range rnd.IntN(40) {
			var e Event
			switch rnd.IntN(16) {
			case 0:
				e = HostReady{rnd.IntN(4) - 1}
			case 1:
				e = ProcStarted{rnd.IntN(8) - 1, 100}
			case 2, 3, 4:
				x := wire.Exit{Proc: rnd.IntN(8) - 1, Code: rnd.IntN(2)}
				e, failed = ProcExited{x}, failed || x.Code != 0 && x.Proc >= 0 && x.Proc < len(cfg.Procs)
			case 5:
				e, failed = RankFailed{wire.Failure{Rank: rnd.IntN(ranks), Collateral: rnd.IntN(2) == 0}}, true
			case 6:
				e = HostReport{rnd.IntN(4) - 1, wire.Report{Seq: uint32(rnd.IntN(3)), Waits: []wire.Wait{{Rank: rnd.IntN(9) - 1, Peer: rnd.IntN(9) - 1, Seq: uint32(rnd.IntN(2))}},
					Procs: []wire.ProcState{{Proc: rnd.IntN(9) - 1}}}}
			case 7:
				e, failed = Interrupted{2}, true
			case 8:
				e = Asked{rnd.IntN(3), rnd.IntN(2) == 0}
			case 9:
				e, failed = Rang{[]Timer{StartTimer, GatherTimer, NewsTimer, SettleTimer, InspectTimer, StopTimer, DrainTimer, HoldTimer}[rnd.IntN(8)]}, true
			case 10:
				e, failed = HostDone{rnd.IntN(4) - 1}, true // too early: a lost host
			case 11:
				e = ProcTold{wire.Told{Proc: rnd.IntN(9) - 1, Seq: uint32(rnd.IntN(3)), Stacks: []byte("goroutine 1 [running]:\n"),
					Unmatched: []wire.Unmatched{{Rank: rnd.IntN(9) - 1, Src: rnd.IntN(9) - 1}}}}
			case 12:
				e = HostTold{rnd.IntN(7) - 1, []int{rnd.IntN(7) - 1, rnd.IntN(7) - 1}[:rnd.IntN(3)]}
			case 13:
				e, failed = RelayLost{rnd.IntN(7) - 1, "relay"}, true
			case 14:
				e = HostAlive{rnd.IntN(7) - 1, rnd.Uint32N(4)}
			case 15:
				e, failed = HostLost{Host: rnd.IntN(7) - 1, Why: "cut", Cut: true}, true
			}
			for _, a := range m.Step(e) {
				if answer, ok := a.(Answer); ok {
					diagnose.Text(answer.Job, false)
				}
			}
		}
		for h := range cfg.Hosts {
			m.Step(HostLost{Host: h, Why: "gone", Cut: rnd.IntN(2) == 0})
		}
		m.Step(Rang{HoldTimer})
		if m.Phase() != Ended {
			t.Fatalf("case %d: %v with every host gone", i, m.Phase())
		}
		r := m.Result()
		if r.Code == 0 && failed && m.cause != nil && len(m.failures) > 0 {
			t.Fatalf("case %d: code 0 after failures %+v", i, m.failures)
		}
		if actions := m.Step(Interrupted{15}); actions != nil || !reflect.DeepEqual(m.Result(), r) {
			t.Fatalf("case %d: moved after its end: %v", i, actions)
		}
	}
}
