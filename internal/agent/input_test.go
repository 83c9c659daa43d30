package agent

import (
	"testing"

	"gridrun/internal/agent/procio"
	"gridrun/internal/wire"
)

// Input comes one read at a time at first, and only to who reads.
func TestInputOnDemand(t *testing.T) {
	deaf, reader := shell("sleep 1000"), shell("read a; echo $a; read b; echo $b; sleep 1000")
	deaf.Stdin, reader.Stdin = true, true
	h := startHost(t, job(deaf, reader))
	await(h, func(m *wire.Started) bool { return m.Proc == 1 })
	wants := func(proc int) (n int) {
		for _, m := range h.log {
			if w, ok := m.(*wire.Want); ok && w.Proc == proc {
				n++
			}
		}
		return n
	}
	h.send(&wire.Offer{Proc: 0})
	for i, line := range []string{"first", "second"} {
		h.send(&wire.Offer{Proc: 1})
		h.until("a read", func([]wire.Message) bool { return wants(1) == i+1 })
		h.send(&wire.Input{Proc: 1, Data: []byte(line + "\n")})
		h.awaitOutput(1, line)
	}
	h.send(&wire.Offer{Proc: 1}) // it sleeps now
	h.send(&wire.Stop{Now: true})
	h.done()
	if wants(0) != 0 || wants(1) != 2 {
		t.Errorf("%d wants of who does not read, %d of who has read twice", wants(0), wants(1))
	}
	for _, m := range h.log {
		if w, ok := m.(*wire.Want); ok && (!w.Once || w.N < procio.FirstInput || w.N > 2*procio.FirstInput) {
			t.Errorf("%+v", w)
		}
	}
}
