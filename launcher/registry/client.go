package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gridrun/internal/rundir"
)

// Jobs returns the ids of the jobs that run, and removes what killed launchers
// have left.
func Jobs(dir string) ([]string, error) {
	names, err := rundir.Sweep(dir, suffix)
	if err != nil {
		return nil, err
	}
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], suffix)
	}
	slices.Sort(names)
	return names, nil
}

// List asks every job; those that end meanwhile are left out. Of those that do
// not answer not much is known, and State says so.
func List(ctx context.Context, dir string) ([]Summary, error) {
	ids, err := Jobs(dir)
	if err != nil {
		return nil, err
	}
	all := make([]Summary, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			r, err := ask(ctx, dir, id, request{Ask: "summary"})
			var asleep *stoppedError
			switch {
			case errors.Is(err, errEnded):
			case errors.As(err, &asleep):
				all[i] = Summary{Job: id, Pid: asleep.pid, State: "stopped", Program: commandLine(asleep.pid)}
			case err != nil:
				all[i] = Summary{Job: id, State: "no answer"}
			case r.Summary != nil:
				all[i] = *r.Summary
			}
		})
	}
	wg.Wait()
	all = slices.DeleteFunc(all, func(s Summary) bool { return s.Job == "" })
	slices.SortStableFunc(all, func(a, b Summary) int { return a.Started.Compare(b.Started) })
	return all, nil
}

// Find returns the id that begins with start. With one job running, nothing
// needs to be given.
func Find(dir, start string) (string, error) {
	ids, err := Jobs(dir)
	if err != nil {
		return "", err
	}
	var fit []string
	for _, id := range ids {
		if id == start {
			return id, nil
		}
		if strings.HasPrefix(id, start) {
			fit = append(fit, id)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(ids) == 0:
		return "", errors.New("no job of yours runs on this machine")
	case len(fit) == 0:
		return "", fmt.Errorf("no job %s; these run: %s", start, strings.Join(ids, " "))
	case start == "":
		return "", fmt.Errorf("%d jobs run, say which: %s", len(fit), strings.Join(fit, " "))
	}
	return "", fmt.Errorf("%d jobs begin with %s: %s", len(fit), start, strings.Join(fit, " "))
}

// Stacks asks job id what its ranks are doing.
func Stacks(ctx context.Context, dir, id string, all bool) (string, error) {
	r, err := ask(ctx, dir, id, request{Ask: "stacks", All: all})
	return r.Text, err
}

// errEnded is a job that was there a moment ago.
var errEnded = errors.New("it has ended")

func ask(ctx context.Context, dir, id string, q request) (r reply, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, id+suffix))
	if err != nil {
		return r, fmt.Errorf("job %s: %w: %w", id, errEnded, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer conn.Close()
	defer stop()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() { watchStopped(ctx, cancel, conn) })
	conn.SetDeadline(time.Now().Add(readLimit + answerLimit))
	line, err := json.Marshal(q)
	if err != nil {
		return r, err
	}
	if _, err = conn.Write(append(line, '\n')); err != nil {
		err = fmt.Errorf("%w: %w", errEnded, err)
	} else {
		r, err = readReply(conn)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return r, fmt.Errorf("job %s: %w", id, err)
	}
	return r, nil
}

func readReply(from io.Reader) (r reply, err error) {
	b, err := io.ReadAll(io.LimitReader(from, maxReply+1))
	switch {
	case err != nil:
		return r, err
	case len(b) == 0:
		return r, errEnded
	case len(b) > maxReply:
		return r, fmt.Errorf("its answer has more than %d bytes", maxReply)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("its answer is not understood: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}
