package check

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
)

// answerTime bounds how long a started agent may take for each answer.
const answerTime = 20 * time.Second

// Options are the flags of a job that change who reaches whom.
type Options struct {
	Net   []string
	Ports wire.PortRange
}

// A Host is what was found out about one.
type Host struct {
	Name    string        `json:"host"`
	Error   string        `json:"error,omitempty"`   // why it cannot take part
	Address string        `json:"address,omitempty"` // that ssh connected to; empty: this machine
	Gridrun string        `json:"gridrun,omitempty"` // "there", or "brought now"
	Took    time.Duration `json:"start_ns"`
	// Clock is how far its clock is ahead of ours, give or take Unsure.
	Clock  time.Duration `json:"clock_ns"`
	Unsure time.Duration `json:"clock_unsure_ns"`
	Facts  *wire.Facts   `json:"facts,omitempty"`
	Ways   []wire.Way    `json:"ways,omitempty"` // to each address of the others
}

// reached is what an agent of another machine knows of how it was started.
type reached interface {
	Where() (address, cache string, brought bool)
}

// Run checks all hosts. It returns when every one has answered or failed.
func Run(ctx context.Context, starter agents.Starter, hosts []place.Host, options Options) *Report {
	key, id := make([]byte, 32), make([]byte, 8)
	rand.Read(key)
	rand.Read(id)
	r := &Report{Hosts: make([]Host, len(hosts))}
	var all, known, tried sync.WaitGroup
	known.Add(len(hosts))
	tried.Add(len(hosts))
	for i := range hosts {
		h := &r.Hosts[i]
		h.Name = hosts[i].String()
		all.Go(func() {
			told, done := sync.OnceFunc(known.Done), sync.OnceFunc(tried.Done)
			defer told()
			defer done()
			err := h.visit(ctx, starter, hosts[i], &wire.Survey{
				Version: wire.Version, Job: hex.EncodeToString(id), Key: key, Host: i, Net: options.Net, Ports: options.Ports,
			}, func() *wire.Try {
				told()
				known.Wait() // every host's Facts are in, or will never be
				return targets(r.Hosts, i)
			}, func() {
				done()
				tried.Wait() // its port stays open until everybody has tried it
			})
			if err != nil {
				h.Error = strings.TrimPrefix(err.Error(), hosts[i].Name+": ")
			}
		})
	}
	all.Wait()
	return r
}

// targets are the addresses of all hosts but the one that is to try them.
func targets(hosts []Host, but int) *wire.Try {
	m := new(wire.Try)
	for i := range hosts {
		if f := hosts[i].Facts; i != but && f != nil {
			m.Targets = append(m.Targets, wire.Target{Host: i, Addrs: f.Addrs})
		}
	}
	return m
}

// visit starts the agent on host, asks it, and ends it.
func (h *Host) visit(ctx context.Context, starter agents.Starter, host place.Host, survey *wire.Survey, others func() *wire.Try, last func()) error {
	began := time.Now()
	agent, err := starter.Start(ctx, host)
	if err != nil {
		return err
	}
	defer func() {
		agent.Kill()
		io.Copy(io.Discard, agent)
		agent.Wait() // killed, so it cannot have ended well
	}()
	stop := context.AfterFunc(ctx, agent.Kill)
	defer stop()
	if r, ok := agent.(reached); ok {
		brought := false
		if h.Address, survey.Dir, brought = r.Where(); brought {
			h.Gridrun = "brought now"
		} else {
			h.Gridrun = "there"
		}
	}
	stream, err := wire.NewStream(agent, agent)
	if err != nil {
		return fmt.Errorf("its agent takes nothing: %w", err)
	}
	late := time.AfterFunc(answerTime, agent.Kill)
	defer late.Stop()
	if err := stream.Open(); err != nil {
		return fmt.Errorf("its agent says nothing: %w", err)
	}
	if _, err := answer[*wire.Hello](stream); err != nil {
		return err
	}
	h.Took = time.Since(began)
	asked := time.Now()
	if err := stream.Send(survey); err != nil {
		return fmt.Errorf("asking its agent: %w", err)
	}
	facts, err := answer[*wire.Facts](stream)
	if err != nil {
		return err
	}
	// Its clock was read between the question and the answer.
	h.Unsure = time.Since(asked) / 2
	h.Clock = time.Unix(0, facts.Time).Sub(asked.Add(h.Unsure))
	h.Facts = facts
	late.Stop()
	try := others()
	late.Reset(answerTime)
	if err := stream.Send(try); err != nil {
		return fmt.Errorf("asking its agent: %w", err)
	}
	tried, err := answer[*wire.Tried](stream)
	if err != nil {
		return err
	}
	h.Ways = tried.Ways
	late.Stop()
	last()
	return nil
}

func answer[M wire.Message](s *wire.Stream) (M, error) {
	var none M
	m, err := s.Receive()
	if err != nil {
		return none, fmt.Errorf("its agent does not answer: %w", err)
	}
	got, ok := m.(M)
	if trouble, is := m.(*wire.Trouble); is {
		return none, fmt.Errorf("%s: %s", trouble.Stage, trouble.Text)
	}
	if !ok {
		return none, fmt.Errorf("its agent says %T instead of %T: two builds of gridrun", m, none)
	}
	return got, nil
}
