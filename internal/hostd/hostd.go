package hostd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gridrun/internal/wire"
)

// A Conn is a rank's stream to a service.
type Conn struct {
	*net.UnixConn
	Rank    int          // world rank
	Job     wire.Welcome // of the job this process belongs to
	Version uint16       // that the rank asked for
}

// A Handler is what a service's name stands for.
type Handler struct {
	Version uint16 // ranks must ask for exactly this one
	// Serve serves one stream until the rank closes it or ctx ends (the stream
	// is then closed under it). Its error goes to stderr: it is not the rank's
	// doing. The end of the stream is no error.
	Serve func(ctx context.Context, c Conn) error
}

// controlFD is the descriptor the agent leaves to this process.
const controlFD = 3

// greetingTime is how long a rank may take for a greeting of some 30 bytes.
const greetingTime = 30 * time.Second

// Main serves until the agent has gone and returns the process's exit code.
func Main(handlers map[string]Handler) int {
	// The agent decides when this process ends; a Ctrl-C on the terminal is for the job.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	control, err := controlConn(controlFD)
	if err == nil {
		err = Serve(context.Background(), control, handlers, os.Stderr)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gridrun: host service: %v\n", err)
		return 1
	}
	return 0
}

func controlConn(fd uintptr) (*net.UnixConn, error) {
	f := os.NewFile(fd, "control")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not the agent's socket (this command is for gridrun's own use): %w", fd, err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("descriptor %d is not a Unix socket (this command is for gridrun's own use)", fd)
	}
	return u, nil
}

// Serve is Main on a given control socket, which it closes. ctx ends it as the end of that socket does.
func Serve(ctx context.Context, control *net.UnixConn, handlers map[string]Handler, log io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer control.Close()
	stop := context.AfterFunc(ctx, func() { control.Close() })
	defer stop()
	d := &daemon{handlers: handlers, log: log}
	err := d.control(ctx, control)
	cancel()
	d.streams.Wait()
	return err
}

type daemon struct {
	handlers map[string]Handler
	streams  sync.WaitGroup

	mu  sync.Mutex
	log io.Writer
}

func (d *daemon) logf(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.log, "gridrun: host service: "+format+"\n", args...)
}

// control reads the agent's packets until the socket ends.
func (d *daemon) control(ctx context.Context, control *net.UnixConn) error {
	var job wire.Welcome
	for n := 0; ; n++ {
		m, fds, err := receive(control)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("from the agent: %w", err)
		}
		if n == 0 {
			w, ok := m.(*wire.Welcome)
			if !ok || w.Version != wire.Version {
				closeAll(fds)
				return fmt.Errorf("the agent's first packet is %T, not a welcome of version %d", m, wire.Version)
			}
			job = *w
		}
		s, ok := m.(*wire.Service)
		if !ok || len(fds) != 1 {
			closeAll(fds)
			continue
		}
		stream, err := streamConn(fds[0])
		if err != nil {
			d.logf("rank %d: %v", s.Rank, err)
			continue
		}
		d.streams.Go(func() { d.serve(ctx, Conn{UnixConn: stream, Rank: s.Rank, Job: job}) })
	}
}

// serve is one stream's life.
func (d *daemon) serve(ctx context.Context, c Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			d.logf("serving rank %d: %v\n%s", c.Rank, p, debug.Stack())
		}
	}()
	c.SetReadDeadline(time.Now().Add(greetingTime))
	name, version, err := readGreeting(c)
	if err != nil {
		// A rank that was ended just then has not done anything wrong.
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && ctx.Err() == nil {
			d.logf("rank %d: %v", c.Rank, err)
		}
		return
	}
	c.SetReadDeadline(time.Time{})
	c.Version = version
	h, ok := d.handlers[name]
	why := ""
	switch {
	case !ok:
		why = fmt.Sprintf("there is no such service (there are: %s)", strings.Join(slices.Sorted(maps.Keys(d.handlers)), ", "))
	case version != h.Version:
		why = fmt.Sprintf("the program speaks version %d, the service version %d; build it with the gridrun that runs it", version, h.Version)
	}
	if err := writeAnswer(c, why); err != nil || why != "" {
		return
	}
	if err := h.Serve(ctx, c); err != nil && ctx.Err() == nil {
		d.logf("%s for rank %d: %v", name, c.Rank, err)
	}
}
