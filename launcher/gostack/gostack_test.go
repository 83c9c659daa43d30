package gostack

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

const sample = `goroutine 1 [select, 3 minutes]:
gridrun/internal/engine.(*Rank).await(0xc000124000, {0x5e1b28, 0xc000112000}, {0x5e0f10, 0xc00013a000})
	/src/gridrun/internal/engine/wait.go:139 +0x2c5
gridrun/rt.Recv[...]({0x5e1b28, 0xc000112000}, {0x5e2a40, 0xc00012c000}, 0x1, 0x5, {0xc00001c0a8, 0x1, 0x1})
	/src/gridrun/rt/p2p.go:40 +0x105
main.(*solver).ring(0xc000014120, {0x5e1b28?, 0xc000112000})
	/home/u/solver/ring.go:31 +0x9d
main.main.func1({0x5e1b28?, 0xc000112000?}, 0xc00012c000)
	/home/u/solver/main.go:15 +0x3a
gridrun/rt.(*team).body(0xc000128000, 0x1)
	/src/gridrun/rt/run.go:130 +0x1c2
created by gridrun/rt.(*team).run in goroutine 1
	/src/gridrun/rt/run.go:101 +0xa5

goroutine 7 [IO wait]:
internal/poll.runtime_pollWait(0x7f2a, 0x72)
	/usr/lib/go/src/runtime/netpoll.go:351 +0x85
gridrun/rt.(*agentLink).listen(0xc000138000)
	/src/gridrun/rt/agent_linux.go:140 +0x3c
created by gridrun/rt.(*agentLink).start in goroutine 1
	/src/gridrun/rt/agent_linux.go:135 +0xcd

goroutine 9 [syscall, locked to thread]:
syscall.Syscall6(0x101, 0xffffffffffffff9c, 0xc0000140c0, 0x80000, 0x0, 0x0, 0x0)
	/usr/lib/go/src/syscall/syscall_linux.go:95 +0x39
os.OpenFile({0xc000014150, 0xb}, 0x0, 0x1b6?)
	/usr/lib/go/src/os/file.go:385 +0x45
...additional frames elided...
created by example.com/solver/io.Start in goroutine 1
	/home/u/solver/io/io.go:7 +0x1

goroutine 11 [sync.WaitGroup.Wait]:
sync.(*WaitGroup).Wait(0xc000128010)
	/usr/lib/go/src/sync/waitgroup.go:206 +0x85
gridrun/rt.Main(0x5a0e40)
	/src/gridrun/rt/main.go:14 +0x18
main.main()
	/home/u/solver/main.go:9 +0x1d
`

func TestParse(t *testing.T) {
	gs := Parse([]byte(sample))
	if len(gs) != 4 {
		t.Fatalf("%d goroutines", len(gs))
	}
	for i, want := range []struct {
		state string
		since time.Duration
		own   bool
		short string
		where string
	}{
		{"select", 3 * time.Minute, true, "rt.Recv: main.(*solver).ring:ring.go31 main.main.func1:main.go15 ", "ring.go:31"},
		{"IO wait", 0, false, "rt.(*agentLink).listen: ", ":"},
		{"syscall", 0, true, "os.OpenFile: ", ":"},
		{"sync.WaitGroup.Wait", 0, false, "rt.Main: main.main:main.go9 ", ":"},
	} {
		g := gs[i]
		short := ""
		for _, f := range g.Short() {
			short += Name(f.Func) + ":" + f.File + f.Line + " "
		}
		where, _ := g.Where()
		if g.State != want.state || g.For != want.since || g.Own() != want.own || short != want.short || where.File+":"+where.Line != want.where {
			t.Errorf("goroutine %d: %+v\nshort %q, where %+v", i, g, short, where)
		}
	}
}

func TestProgramAndName(t *testing.T) {
	for function, want := range map[string]struct {
		own  bool
		name string
	}{
		"main.main":                         {true, "main.main"},
		"gridrun/rt.Recv[...]":              {false, "rt.Recv"},
		"gridrun/rt.(*team).run.func1":      {false, "rt.(*team).run.func1"},
		"gridrun/jobs/windshear.Main":       {true, "windshear.Main"},
		"gridrun/rtx.Other":                 {true, "rtx.Other"},
		"github.com/a/b.c/d.(*T[...]).M":    {true, "d.(*T).M"},
		"os.(*File).Read":                   {false, "os.(*File).Read"},
		"main.sum[gridrun/rt.X]":            {true, "main.sum[gridrun/rt.X]"},
		"net/http.(*conn).serve":            {false, "http.(*conn).serve"},
		"gridrun/collectives.AllReduce[go]": {false, "collectives.AllReduce[go]"},
	} {
		if own, name := Program(function), Name(function); own != want.own || name != want.name {
			t.Errorf("%s: %v %q", function, own, name)
		}
	}
}

// The stacks of this very process are understood.
func TestOwnStacks(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	ready := make(chan struct{})
	go func() { close(ready); <-stop }()
	<-ready
	buf := make([]byte, 1<<20)
	found := false
	for try := 0; try < 1000 && !found; try++ {
		runtime.Gosched()
		for _, g := range Parse(buf[:runtime.Stack(buf, true)]) {
			found = found || g.State == "chan receive" && strings.Contains(fmt.Sprint(g.Frames), "TestOwnStacks.func1")
		}
	}
	if !found {
		t.Errorf("the waiting goroutine is not in\n%s", buf[:runtime.Stack(buf, true)])
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("goroutine 1 [running]:\nmain.main()\n\t/x.go:1\ncreated by x\n\t/y.go:3"))
	f.Add([]byte("goroutine ]["))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, g := range Parse(b) {
			g.Own()
			g.Where()
			if short := g.Short(); len(short) > len(g.Frames) {
				t.Fatal("longer than it was")
			}
			for _, f := range g.Frames {
				Name(f.Func)
			}
		}
	})
}
