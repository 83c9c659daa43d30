package launch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// A parkedJob is a job whose ranks have been through a barrier and stay.
type parkedJob struct {
	cmd  *exec.Cmd
	said *bytes.Buffer // standard error; to be read after cmd.Wait
	pids []int         // of the ranks, in the order they spoke
}

// startParked returns when every rank has said its process id.
func startParked(ctx context.Context, c Contender, ranks int) (*parkedJob, error) {
	p := &parkedJob{cmd: c.command(ctx, c.park, ranks), said: new(bytes.Buffer)}
	p.cmd.Stderr = p.said
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for len(p.pids) < ranks && lines.Scan() {
		pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			err = fmt.Errorf("a rank says %q, not its process id", lines.Text())
			return nil, errors.Join(err, p.cmd.Process.Kill(), p.cmd.Wait())
		}
		p.pids = append(p.pids, pid)
	}
	if len(p.pids) < ranks {
		return nil, fmt.Errorf("only %d ranks said hello: %w\n%s", len(p.pids), p.cmd.Wait(), p.said)
	}
	return p, nil
}
