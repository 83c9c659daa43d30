package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"gridrun/launcher/keeper"
)

// bringUp has the hosts kept. ready waits until each has an agent that waits for
// the next job, and the machine has settled; down ends the keeper if it was not
// there before.
func (f *launchFlags) bringUp(ctx context.Context, self string) (ready func(context.Context) error, down func(), err error) {
	before, err := keeper.Find(ctx)
	if err != nil {
		return nil, nil, err
	}
	down = func() {}
	if before == nil {
		down = func() { exec.Command(self, "down", "--now").Run() } // the measurement stands, whatever it says
	}
	args := []string{"up", "--host", f.Host}
	if f.Hostfile != "" {
		args = []string{"up", "--hostfile", f.Hostfile}
	}
	if said, err := exec.CommandContext(ctx, self, args...).CombinedOutput(); err != nil {
		down()
		return nil, nil, fmt.Errorf("gridrun up: %w\n%s", err, said)
	}
	client, err := keeper.Find(ctx)
	if err == nil && client == nil {
		err = os.ErrNotExist
	}
	if err != nil {
		down()
		return nil, nil, fmt.Errorf("gridrun up: no keeper answers: %w", err)
	}
	ready = func(ctx context.Context) error {
		for {
			s, err := client.Refresh(ctx)
			if err != nil {
				return err
			}
			waits := slices.ContainsFunc(s.Hosts, func(h keeper.HostStatus) bool { return !h.Ready })
			select {
			case <-time.After(settleTime):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !waits {
				return nil
			}
		}
	}
	return ready, down, nil
}

// settleTime is how long agents that have just been started, and hosts that have
// just ended a job, get to come to rest.
const settleTime = 300 * time.Millisecond
