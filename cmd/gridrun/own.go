package main

import (
	"io"
	"time"

	"gridrun/internal/agent/guard"
	"gridrun/launcher/agents"
)

// An ownAgent is the agent of a job on this machine alone, whose guard we are.
type ownAgent struct {
	*guard.Own
	said *agents.Tail
}

func startOwn() (agents.Agent, error) {
	said := new(agents.Tail)
	own, err := guard.StartOwn(said)
	if err != nil {
		return nil, err
	}
	return ownAgent{own, said}, nil
}

func (a ownAgent) Wait() error { return a.said.With(a.Own.Wait()) }

// early is an agent of our own that is started before it is known what it has to
// do: it takes as long to begin as we take to find that out, on another processor.
type early struct {
	agent agents.Agent // nil: none
	began time.Time
}

// freshFor is how long an agent may be kept waiting; a little less than it waits
// (internal/agent), as it hears nothing meanwhile.
const freshFor = time.Minute

// begin starts the agent. If that fails, take's caller starts one and hears why.
func (e *early) begin() {
	if !guard.Childless() {
		return
	}
	if a, err := startOwn(); err == nil {
		e.agent, e.began = a, time.Now()
	}
}

// take hands the agent over; nil when there is none, or it may be gone.
func (e *early) take() agents.Agent {
	if e == nil || e.agent == nil {
		return nil
	}
	a := e.agent
	if time.Since(e.began) > freshFor {
		e.end()
		return nil
	}
	e.agent = nil
	return a
}

// end ends an agent that nobody has taken.
func (e *early) end() {
	if e.agent == nil {
		return
	}
	e.agent.Kill()
	io.Copy(io.Discard, e.agent)
	e.agent.Wait() // killed, so it cannot have ended well
	e.agent = nil
}
