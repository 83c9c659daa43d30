package timeline

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"gridrun/internal/engine"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

func TestLanes(t *testing.T) {
	same := func(s *span) *span { return s }
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var spans []span
		for range r.IntN(40) {
			begin := r.Int64N(50)
			spans = append(spans, span{begin, begin + r.Int64N(30), 0})
		}
		lanes := layOut(spans, same)
		for i, a := range spans {
			if a.lane >= lanes {
				t.Fatalf("lane %d of %d", a.lane, lanes)
			}
			for _, b := range spans[i+1:] {
				apart := a.end <= b.begin || b.end <= a.begin
				within := a.begin <= b.begin && b.end <= a.end || b.begin <= a.begin && a.end <= b.end
				if a.lane == b.lane && !apart && !within {
					t.Fatalf("%+v and %+v cross", a, b)
				}
			}
		}
	}
	nested := []span{{0, 100, 0}, {10, 20, 0}, {12, 15, 0}, {20, 30, 0}, {50, 120, 0}}
	if n := layOut(nested, same); n != 2 || nested[4].lane != 1 || nested[3].lane != 0 {
		t.Errorf("%d lanes: %+v", n, nested)
	}
}

// A picture is a file that has been read back.
type picture struct {
	TraceEvents []struct {
		Name, Cat, Ph, ID string
		Pid, Tid          int
		Ts, Dur           float64
		Args              map[string]any
	}
	OtherData map[string]any
}

func read(t *testing.T, path string) (p picture) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return p
}

func TestWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.json")
	w, err := Create(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	dump := func(rank int, names []string, events ...trace.Event) *trace.Dump {
		return &trace.Dump{Rank: rank, Names: names, Events: events}
	}
	send := trace.Event{Kind: trace.Out, Op: uint8(engine.OpSend), Begin: 5000, Dur: 100, Peer: 1, Tag: 3, Bytes: 8, ID: 9}
	recv := trace.Event{Kind: trace.In, Op: uint8(engine.OpRecv), Begin: 905000, Dur: 300, Peer: 0, Tag: 3, Bytes: 8, ID: 9}
	call := trace.Event{Kind: trace.Collective, Op: uint8(engine.OpAllReduce), Name: 1, Begin: 906000, Dur: 300, Peer: -1, Seq: 4, Bytes: 80}
	own := trace.Event{Kind: trace.Span, Name: 2, Begin: 905100, Dur: 2000, Peer: -1}
	ranks := []Rank{
		{Rank: 0, HostName: "a", Began: 2000, Ended: 9000, Dump: dump(0, nil, send)},
		{Rank: 1, Host: 1, HostName: "b \"quoted\" \xff", Clock: Line{Offset: -900000}, Began: 902000, Ended: 990000,
			Exit: wire.Exit{Code: 137, Signal: 9}, Dump: dump(1, []string{"ring", "my <phase>"}, recv, call, own),
			Waits: []wire.Wait{{Rank: 1, Op: "Recv", Peer: 0, Tag: 7, Since: 4000}, {Rank: 2, Op: "Recv"}}},
		{Rank: 2, Host: 1, Began: 902000, Ended: 903000}, // does not use rt
		{Rank: 3, Host: 1}, // did not start
	}
	for _, r := range ranks {
		if err := w.Rank(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before it is whole")
	}
	if err := w.Close(map[string]any{"job": "x"}); err != nil {
		t.Fatal(err)
	}
	p := read(t, path)
	find := func(name, ph string, tid int) int {
		i := slices.IndexFunc(p.TraceEvents, func(e struct {
			Name, Cat, Ph, ID string
			Pid, Tid          int
			Ts, Dur           float64
			Args              map[string]any
		}) bool {
			return e.Name == name && e.Ph == ph && (tid < 0 || e.Tid == tid)
		})
		if i < 0 {
			t.Fatalf("no %s %s in %+v", ph, name, p.TraceEvents)
		}
		return i
	}
	s, f := p.TraceEvents[find("message", "s", -1)], p.TraceEvents[find("message", "f", -1)]
	if s.ID != "0.9" || f.ID != s.ID || s.Ts != 4 || f.Ts < 4.299 || f.Ts > 4.3 || s.Pid != 1 || f.Pid != 2 {
		t.Errorf("arrow from %+v to %+v", s, f)
	}
	c := p.TraceEvents[find("AllReduce", "X", -1)]
	if c.Args["algorithm"] != "ring" || c.Args["call"] != 4.0 || c.Ts != 5 || c.Dur != 0.3 {
		t.Errorf("%+v", c)
	}
	if e := p.TraceEvents[find("my <phase>", "X", -1)]; e.Tid == p.TraceEvents[find("Recv", "X", -1)].Tid {
		t.Error("spans that cross share a thread")
	}
	e := p.TraceEvents[find("Recv: never returned", "X", -1)]
	if e.Ts != 85 || e.Dur != 4 || e.Args["tag"] != 7.0 {
		t.Errorf("%+v", e)
	}
	if e := p.TraceEvents[find("process", "X", thread(1, 0))]; e.Args["exit code"] != 137.0 || e.Args["signal"] != 9.0 {
		t.Errorf("%+v", e)
	}
	find("process", "X", thread(2, 0))
	for _, e := range p.TraceEvents {
		if e.Tid >= thread(3, 0) {
			t.Errorf("%+v is of a rank that did not start", e)
		}
	}
	if p.OtherData["job"] != "x" {
		t.Errorf("%v", p.OtherData)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestMode: who may read a timeline is the umask's word, as with every file.
func TestMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.json")
	for mask, want := range map[int]os.FileMode{0o077: 0o600, 0o022: 0o644, 0o002: 0o664} {
		before := syscall.Umask(mask)
		w, err := Create(path, 0)
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(nil); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("umask %03o: %v, %v, want %v", mask, st.Mode(), err, want)
		}
	}
}

func TestEmptyAndAborted(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "empty"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(nil); err != nil {
		t.Fatal(err)
	}
	if p := read(t, filepath.Join(dir, "empty")); len(p.TraceEvents) != 0 {
		t.Errorf("%+v", p)
	}
	if w, err = Create(filepath.Join(dir, "aborted"), 0); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%v", left)
	}
	for _, path := range []string{dir, filepath.Join(dir, "no", "such")} {
		if _, err := Create(path, 0); err == nil {
			t.Errorf("%s can be written", path)
		}
	}
	if w, err = Create("/dev/null", 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(nil); err != nil {
		t.Error(err)
	}
}
