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

	"gridrun/internal/packet"
	"gridrun/internal/wire"
)

// controlFD is the descriptor the agent leaves to this process.
const controlFD = 3

// greetingTime is how long a rank may take for a greeting of some 30 bytes.
const greetingTime = 30 * time.Second

// Main serves until the agent has gone and returns the process's exit code.
func Main(handlers map[string]Handler) int {
	// The agent decides when this process ends; a Ctrl-C on the terminal is for the job.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	control, err := packet.Open(controlFD)
	if err != nil {
		err = fmt.Errorf("this command is for gridrun's own use: %w", err)
	} else {
		err = Serve(context.Background(), control, handlers, os.Stderr)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gridrun: host service: %v\n", err)
		return 1
	}
	return 0
}

// Serve is Main on a given control socket, which it closes. ctx ends it as the end of that socket does.
func Serve(ctx context.Context, control *packet.Conn, handlers map[string]Handler, log io.Writer) error {
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
func (d *daemon) control(ctx context.Context, control *packet.Conn) error {
	var job wire.Welcome
	for n := 0; ; n++ {
		m, f, err := control.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("from the agent: %w", err)
		}
		if n == 0 {
			w, ok := m.(*wire.Welcome)
			if !ok || w.Version != wire.Version {
				drop(f)
				return fmt.Errorf("the agent's first packet is %T, not a welcome of version %d", m, wire.Version)
			}
			job = *w
		}
		s, ok := m.(*wire.Service)
		if !ok || f == nil {
			drop(f)
			continue
		}
		stream, err := streamConn(f)
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

// drop closes a descriptor that came with a packet, if one did.
func drop(f *os.File) {
	if f != nil {
		f.Close()
	}
}

// streamConn takes over a socket that came with a packet.
func streamConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("the descriptor received is no socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("the descriptor received is a %T, not a Unix socket", c)
	}
	return u, nil
}
