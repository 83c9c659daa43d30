package observe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridrun/internal/trace"
	"gridrun/internal/wire"
	"gridrun/launcher/place"
)

// observing makes the observer of a job of one host and one process of two ranks.
func observing(t *testing.T, want Want) *Observer {
	t.Helper()
	plan := place.Plan{NP: 2, Hosts: []place.Host{{Name: "far"}}, Procs: []place.Proc{{Ranks: []int{0, 1}}}}
	o, err := New(want, "job", plan)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// questions are what a host has been asked and has not answered.
type questions []*wire.Clock

func (q *questions) add(m wire.Message) { *q = append(*q, m.(*wire.Clock)) }

// next is the oldest question, or nil.
func (q *questions) next() (m *wire.Clock) {
	if len(*q) > 0 {
		m, *q = (*q)[0], (*q)[1:]
	}
	return m
}

// TestClockIsAsked: a host with a clock of its own is asked several times at once,
// and its place in time is right to within the answers' delay.
func TestClockIsAsked(t *testing.T) {
	o := observing(t, Want{Trace: "/dev/null"})
	var l questions
	const ahead = int64(time.Hour)
	o.Ask(l.add)
	looks := 0
	for m := l.next(); m != nil; m = l.next() {
		looks++
		o.Told(0, &wire.Clock{Sent: m.Sent, Here: o.clock.Now() + ahead, Boot: "another"}, l.add)
	}
	now := o.clock.Now()
	got := o.line(0).Map(now + ahead)
	if looks != clockLooks || got < now-int64(time.Second) || got > now+int64(time.Second) {
		t.Errorf("asked %d times; off by %v", looks, time.Duration(got-now))
	}
}

// TestClockOfThisMachine: what runs here needs no answer to stand right in time.
func TestClockOfThisMachine(t *testing.T) {
	plan := place.Plan{NP: 1, Hosts: []place.Host{{Name: "localhost"}}, Procs: []place.Proc{{Ranks: []int{0}}}}
	o, err := New(Want{Trace: "/dev/null"}, "job", plan)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.line(0).Map(42); got != 42 || o.troubles != nil {
		t.Errorf("42 is mapped to %d; %q", got, o.troubles)
	}
}

// TestFilesAreMadeFirst: a file that cannot be written ends the job before it has
// begun, by the name that the user gave, and leaves no other.
func TestFilesAreMadeFirst(t *testing.T) {
	dir := t.TempDir()
	nowhere := filepath.Join(dir, "none", "file")
	for flag, want := range map[string]Want{
		"--stats-file": {StatsFile: nowhere},
		"--trace":      {Trace: nowhere},
		"--profile":    {Trace: filepath.Join(dir, "trace"), Profile: nowhere},
	} {
		_, err := New(want, "job", place.Plan{})
		if err == nil || !strings.HasPrefix(err.Error(), flag+": ") || !strings.Contains(err.Error(), " "+nowhere+": ") {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestSharedClock: a host of the same running system has our clock.
func TestSharedClock(t *testing.T) {
	o := observing(t, Want{Trace: "/dev/null"})
	if o.boot == "" {
		o.boot = "this"
	}
	var l questions
	o.Told(0, &wire.Clock{Sent: 1, Here: 7777, Boot: o.boot}, l.add)
	if m := l.next(); m != nil {
		t.Error("it is asked again")
	}
	if got := o.line(0).Map(5); got != 5 {
		t.Errorf("its 5 is our %d", got)
	}
}

// TestHostileRecords: whatever a host sends as records, the job ends well and the
// user is told.
func TestHostileRecords(t *testing.T) {
	o := observing(t, Want{Trace: "/dev/null", Profile: "/dev/null", Stats: true, Events: 4})
	big := make([]byte, trace.Size(4)+1)
	for _, m := range []*wire.Recorded{
		{What: wire.RecordHead, Data: []byte("no head")},
		{What: wire.RecordRing, Rank: 1, Data: big},
		{What: wire.RecordRing, Rank: 77, Data: []byte{1}},
		{What: wire.RecordProfile, Data: []byte("no profile")},
		{What: "nonsense", Data: big},
		{End: true, Began: 5, Ended: 3, Waits: []wire.Wait{{Rank: 0, Op: "?", Since: -1}}},
		{End: true, Began: 1},
	} {
		o.Piece(0, m)
	}
	_, lines, err := o.Finish()
	if err != nil {
		t.Error(err)
	}
	said := strings.Join(lines, "\n")
	for _, want := range []string{"what rank 0 has recorded cannot be read", "the profile of rank 0: not a profile"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in %s", want, said)
		}
	}
}

// TestMissingRecords: a host that is lost takes its ranks' records along.
func TestMissingRecords(t *testing.T) {
	o := observing(t, Want{Stats: true})
	table, lines, err := o.Finish()
	if err != nil {
		t.Error(err)
	}
	if table != "" || strings.Join(lines, "") != "nothing recorded has come from ranks 0-1" {
		t.Errorf("%q %q", table, lines)
	}
}
