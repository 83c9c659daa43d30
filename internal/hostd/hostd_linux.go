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
	var peers *Peers
	for {
		m, f, err := control.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("from the agent: %w", err)
		}
		if peers == nil {
			w, ok := m.(*wire.Welcome)
			if !ok || w.Version != wire.Version {
				drop(f)
				return fmt.Errorf("the agent's first packet is %T, not a welcome of version %d", m, wire.Version)
			}
			peers = newPeers(w, func(m wire.Message) error { return control.Send(m, nil) })
		}
		switch m := m.(type) {
		case *wire.Service:
			d.take(ctx, f, Conn{Rank: m.Rank, Host: peers.Host(), Peers: peers, Job: peers.job})
		case *wire.Conn:
			d.take(ctx, f, Conn{Peer: true, Host: -1 - m.From, Peers: peers, Job: peers.job})
		case *wire.Address:
			drop(f)
			peers.answer(m)
		case *wire.Gone:
			drop(f)
			if m.Lost > 0 {
				peers.lose(m.Lost-1, m.Why)
			}
		default:
			drop(f)
		}
	}
}

// take starts what a descriptor that came with a packet is for.
func (d *daemon) take(ctx context.Context, f *os.File, c Conn) {
	if f == nil {
		return
	}
	defer f.Close()
	stream, err := net.FileConn(f)
	if err != nil {
		d.logf("%s: the descriptor received is no socket: %v", c.from(), err)
		return
	}
	switch stream.(type) {
	case *net.UnixConn:
		err = only(!c.Peer, stream)
	case *net.TCPConn:
		err = only(c.Peer, stream)
	default:
		err = only(false, stream)
	}
	if err != nil {
		stream.Close()
		d.logf("%s: %v", c.from(), err)
		return
	}
	c.Conn = stream
	d.streams.Go(func() { d.serve(ctx, c) })
}

func only(ok bool, c net.Conn) error {
	if !ok {
		return fmt.Errorf("the descriptor received is a %T", c)
	}
	return nil
}

// from says whose stream it is.
func (c *Conn) from() string {
	if c.Peer {
		return "host " + c.Peers.Name(c.Host)
	}
	return fmt.Sprintf("rank %d", c.Rank)
}

// serve is one stream's life.
func (d *daemon) serve(ctx context.Context, c Conn) {
	raw := c.Conn
	defer raw.Close()
	if c.Peer {
		var cancel context.CancelFunc
		ctx, cancel = c.Peers.while(ctx, c.Host)
		defer cancel()
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			d.logf("serving %s: %v\n%s", c.from(), p, debug.Stack())
		}
	}()
	name, h, err := d.welcome(ctx, &c)
	if err != nil {
		// Who was ended just then has not done anything wrong.
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && ctx.Err() == nil {
			d.logf("%s: %v", c.from(), err)
		}
		return
	}
	if h == nil {
		return
	}
	if err := h.Serve(ctx, c); err != nil && ctx.Err() == nil {
		d.logf("%s for %s: %v", name, c.from(), err)
	}
}

// welcome reads what the stream is for and answers. There is no handler when the answer was a no.
func (d *daemon) welcome(ctx context.Context, c *Conn) (name string, h *Handler, err error) {
	raw := c.Conn
	if c.Peer {
		stream, err := c.Peers.accept(ctx, raw, -1-c.Host)
		if err != nil {
			return "", nil, err
		}
		c.Conn = stream
	}
	raw.SetReadDeadline(time.Now().Add(greetingTime))
	name, c.Version, err = readGreeting(c)
	if err != nil {
		return "", nil, err
	}
	raw.SetReadDeadline(time.Time{})
	known, ok := d.handlers[name]
	why := ""
	switch {
	case !ok:
		why = fmt.Sprintf("there is no such service (there are: %s)", strings.Join(slices.Sorted(maps.Keys(d.handlers)), ", "))
	case c.Version != known.Version:
		why = fmt.Sprintf("the program speaks version %d, the service version %d; build it with the gridrun that runs it", c.Version, known.Version)
	}
	if err := writeAnswer(c, why); err != nil || why != "" {
		return "", nil, nil
	}
	return name, &known, nil
}

// drop closes a descriptor that came with a packet, if one did.
func drop(f *os.File) {
	if f != nil {
		f.Close()
	}
}
