package reach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stagger is how much later the next address gets its start.
	stagger = 50 * time.Millisecond
	// connectTime is what a host's kernel gets to take a connection, and
	// answerTime what its agent gets to answer, beside a hundred ranks that start.
	connectTime = 10 * time.Second
	answerTime  = 30 * time.Second
	// maxTries is how often an address is tried that closes without an answer.
	maxTries = 10
	// maxAddrs is how many addresses of a host are tried.
	maxAddrs = 64
)

// A Target is the process that is wanted.
type Target struct {
	Proc int    // of the job; Service(h) for a host's service
	Host int    // that must answer
	Name string // of the host, for errors
}

func (t Target) String() string {
	if t.Proc < 0 {
		return "the host service of " + t.Name
	}
	return fmt.Sprintf("process %d on %s", t.Proc, t.Name)
}

// A Dialer opens connections for one process. Its methods are safe for
// concurrent use.
type Dialer struct {
	job  job
	from int
	here string // this host's name, for errors

	mu   sync.Mutex
	best map[int]string // host: the address that won last
}

// NewDialer returns a Dialer for process from of the job, on host here.
func NewDialer(job string, key []byte, from int, here string) *Dialer {
	return &Dialer{job: newJob(job, key), from: from, here: here, best: make(map[int]string)}
}

// A denial is the true owner's word that there will be no connection.
type denial struct {
	t Target
	s Status
}

func (d *denial) Error() string { return fmt.Sprintf("%v: %v", d.t, d.s) }

// Dial connects to t through one of addrs, host:port each. When none of them
// leads there, the error says what became of each.
func (d *Dialer) Dial(ctx context.Context, t Target, addrs []string) (net.Conn, error) {
	addrs = d.order(t.Host, addrs)
	race, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	ends := make(chan end, len(addrs))
	failed := make(map[string]error)
	next := time.NewTimer(0)
	defer next.Stop()
	for started := 0; len(failed) < len(addrs); {
		select {
		case <-next.C:
			if started < len(addrs) {
				addr := addrs[started]
				started++
				wg.Go(func() { ends <- d.try(race, t, addr) })
				next.Reset(stagger)
			}
		case e := <-ends:
			if e.err == nil {
				cancel()
				wg.Wait()
				closeAll(ends)
				return d.win(t, e)
			}
			var no *denial
			if errors.As(e.err, &no) {
				cancel()
				wg.Wait()
				closeAll(ends)
				return nil, fmt.Errorf("%s asked for %w", d.here, e.err)
			}
			failed[e.addr] = e.err
			next.Reset(0)
		case <-ctx.Done():
			cancel()
			wg.Wait()
			for len(ends) > 0 {
				if e := <-ends; e.err == nil {
					e.conn.Close()
				} else {
					failed[e.addr] = e.err
				}
			}
			return nil, d.report(t, addrs, failed, context.Cause(ctx))
		}
	}
	return nil, d.report(t, addrs, failed, nil)
}

// Probe finds out whether addr leads to t's host; "" is a yes, else why not.
func (d *Dialer) Probe(ctx context.Context, t Target, addr string) string {
	e := d.try(ctx, t, addr)
	if e.err != nil {
		return reason(e.err)
	}
	e.conn.Close()
	return ""
}

// order puts the address that won last in front.
func (d *Dialer) order(host int, addrs []string) []string {
	d.mu.Lock()
	best := d.best[host]
	d.mu.Unlock()
	var out []string
	if slices.Contains(addrs, best) {
		out = append(out, best)
	}
	for _, a := range addrs {
		if !slices.Contains(out, a) && len(out) < maxAddrs {
			out = append(out, a)
		}
	}
	return out
}

// win tells the owner that this is the connection, and who we are.
func (d *Dialer) win(t Target, e end) (net.Conn, error) {
	e.conn.SetWriteDeadline(time.Now().Add(answerTime))
	if _, err := e.conn.Write(e.proof); err != nil {
		e.conn.Close()
		return nil, fmt.Errorf("%s to %v at %s: %w", d.here, t, e.addr, err)
	}
	e.conn.SetDeadline(time.Time{})
	d.mu.Lock()
	d.best[t.Host] = e.addr
	d.mu.Unlock()
	return e.conn, nil
}

func closeAll(ends chan end) {
	for len(ends) > 0 {
		if e := <-ends; e.conn != nil {
			e.conn.Close()
		}
	}
}

// end is what came of one address.
type end struct {
	addr  string
	conn  net.Conn
	proof []byte // not yet sent
	err   error
}

// try connects to addr and asks. Who closes without an answer may be a port
// that has just too many strangers, and is asked again.
func (d *Dialer) try(ctx context.Context, t Target, addr string) end {
	wait := 10 * time.Millisecond
	for i := 1; ; i++ {
		c, proof, err := d.once(ctx, t, addr)
		if err == nil || !closedEarly(err) || i == maxTries {
			return end{addr, c, proof, err}
		}
		wait = min(2*wait, time.Second)
		select {
		case <-time.After(wait/2 + rand.N(wait)): // not all at once again
		case <-ctx.Done():
			return end{addr: addr, err: err}
		}
	}
}

func closedEarly(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// once is the dialer's side of the exchange, up to its proof.
func (d *Dialer) once(ctx context.Context, t Target, addr string) (_ net.Conn, proof []byte, err error) {
	nd := net.Dialer{Timeout: connectTime}
	c, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	c.SetDeadline(time.Now().Add(answerTime))
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	proof, err = d.ask(c, t)
	if !stop() && err == nil { // the connection's deadline is, or will be, spoilt
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, proof, nil
}

func (d *Dialer) ask(c io.ReadWriter, t Target) (proof []byte, err error) {
	q := ask{job: d.job.hash, from: d.from, to: t.Proc, nonce: newNonce()}
	if _, err := c.Write(q.encode()); err != nil {
		return nil, err
	}
	a, err := d.job.readAnswer(c, &q)
	switch {
	case err != nil:
		return nil, err
	case a.host != t.Host:
		return nil, fmt.Errorf("another host of this job (number %d) answers there: both have this address", a.host)
	case a.status != Here:
		return nil, &denial{t, a.status}
	}
	return d.job.mac("dialer", &q, &a), nil
}

// report says why t cannot be reached. cause is set when ctx has ended first.
func (d *Dialer) report(t Target, addrs []string, failed map[string]error, cause error) error {
	var tried []string
	for _, a := range addrs {
		why := "no answer"
		if err := failed[a]; err != nil {
			why = reason(err)
		}
		tried = append(tried, a+": "+why)
	}
	if tried == nil {
		tried = []string{"it has no address"}
	}
	err := fmt.Errorf("%s cannot reach %v; tried %s; if a firewall is between them, --port LO-HI keeps to ports that it lets through, and --net CIDR to a network that both hosts are in", d.here, t, strings.Join(tried, ", "))
	if cause != nil {
		return fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}

// reason is an attempt's error without what the report says already.
func reason(err error) string {
	var no syscall.Errno
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "who listens there closes the connection without an answer (the port of another job, or no gridrun)"
	case errors.As(err, &no):
		return no.Error()
	}
	return err.Error()
}
