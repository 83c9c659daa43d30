package agents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/place"
)

// surveyLimit bounds how long an agent may take to say hello.
const surveyLimit = 10 * time.Second

// Survey fills in the slots of hosts that have none written: as many as the
// CPUs that the host's control group allows. It starts an agent there, in
// parallel, hears its first word, and ends it. The error names every host that
// could not be asked.
func Survey(ctx context.Context, starter Starter, hosts []place.Host) ([]place.Host, error) {
	out := append([]place.Host(nil), hosts...)
	errs := make([]error, len(out))
	var wg sync.WaitGroup
	for i := range out {
		if out[i].Slots > 0 || out[i].Local() {
			continue
		}
		wg.Go(func() {
			cpus, err := ask(ctx, starter, out[i])
			if err != nil {
				errs[i] = fmt.Errorf("how many ranks does host %v take? %w", out[i], err)
			}
			out[i].Slots = cpus
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

func ask(ctx context.Context, starter Starter, host place.Host) (cpus int, err error) {
	agent, err := starter.Start(ctx, host)
	if err != nil {
		return 0, err
	}
	late := time.AfterFunc(surveyLimit, agent.Kill)
	defer func() {
		late.Stop()
		agent.Kill()
		io.Copy(io.Discard, agent)
		agent.Wait() // killed, so it cannot have ended well
	}()
	s, err := wire.NewStream(agent, agent)
	if err != nil {
		return 0, err
	}
	if err := s.Open(); err != nil {
		return 0, fmt.Errorf("its agent says nothing: %w", err)
	}
	m, err := s.Receive()
	if err != nil {
		return 0, fmt.Errorf("its agent says nothing: %w", err)
	}
	hello, ok := m.(*wire.Hello)
	if !ok || hello.CPUs < 1 {
		return 0, fmt.Errorf("its agent began with %T", m)
	}
	return min(hello.CPUs, place.MaxSlots), nil
}
