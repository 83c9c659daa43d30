package agent

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"syscall"
	"testing"

	"gridrun/internal/agent/procio"
	"gridrun/internal/wire"
)

// FuzzHeard has a process say anything to its agent.
func FuzzHeard(f *testing.F) {
	for _, m := range []wire.Message{&wire.Lookup{Proc: 0}, &wire.Lookup{Proc: 1}, &wire.Lookup{Proc: -1}, &wire.Lookup{Proc: -2}, &wire.Lookup{Proc: -1 << 63}, &wire.Service{Rank: 1}, &wire.Progress{Rank: 2},
		&wire.Failed{Failure: wire.Failure{Text: "x"}}, &wire.Stop{Now: true}, &wire.Welcome{}} {
		data, err := wire.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 100000 {
			return
		}
		ours := new(sync.WaitGroup)
		theirs, c, err := procio.OpenControl(procio.Packet{Data: []byte{0}}, ours)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(theirs)
		defer c.Close()
		stream, err := wire.NewStream(new(bytes.Buffer), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		a := &agent{link: newLink(stream), quit: make(chan struct{}), byProc: map[int]*process{}, service: &service{failed: "none here"},
			located: map[int]*wire.Located{}, questions: map[int]map[question]bool{}}
		if err := a.adopt(&wire.Start{Procs: []wire.ProcSpec{{Ranks: []int{0}}}, Topology: wire.Topology{ProcHost: []int{0, 1}, Hosts: []string{"h", "g"}}}); err != nil {
			t.Fatal(err)
		}
		p := a.procs[0]
		p.state, p.control = running, c
		if err := syscall.Sendmsg(theirs, data, nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		m, err := c.Receive()
		if err == nil {
			a.heard(p, m)
		} else if !errors.Is(err, wire.ErrControl) {
			t.Errorf("%q: %v", data, err)
		}
		close(a.quit)
		a.wg.Wait()
		ours.Wait()
		a.link.close(patient)
	})
}
