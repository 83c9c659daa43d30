package rt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"gridrun/internal/packet"
)

// launched runs body on the ranks that the agent says; control is its socket's
// descriptor. An error means that there is no agent.
func launched(control string, body Body) (code int, err error) {
	fd, err := strconv.Atoi(control)
	if err != nil {
		return refusal, err
	}
	c, err := packet.Open(fd)
	if err != nil {
		return refusal, err
	}
	return serve(c, body), nil
}

// serve runs body on the ranks that the agent at the other end of c says.
func serve(c *packet.Conn, body Body) int {
	// A computing rank must not hold up what serves its peers: that is another
	// goroutine, which needs a processor of its own to be let in at once.
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	a, err := meet(c)
	switch {
	case errors.Is(err, errReported):
		return refusal
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", program(), err)
		return refusal
	}
	proc, err := a.build()
	if err != nil {
		a.refuse(err)
		return refusal
	}
	t := newTeam(context.Background(), proc)
	t.report = a.report
	profiled, err := a.profile()
	if err != nil {
		a.refuse(err)
		return refusal
	}
	a.start(t)
	out, shared := &lineWriter{w: os.Stdout}, len(proc.Ranks) > 1
	t.run(body, func(w *World) {
		if w.args = a.welcome.Args; w.args == nil { // there are none, or they are too long for a packet
			w.args = os.Args[1:]
		}
		w.stdout = os.Stdout
		if shared {
			w.stdout = out.fork()
		}
		w.progress = a.progress(w.Rank())
		a.label(w.Rank())
	})
	profiled()
	a.peak()
	out.flush()
	code := t.code()
	if code != 0 && (!proc.Continue || t.allFailed()) {
		return code
	}
	// What others still wait for must leave before the process does.
	if err := proc.Close(); err != nil && code == 0 {
		a.refuse(err)
		return refusal
	}
	a.close()
	return code
}
