package reach

import (
	"crypto/hmac"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// strangerTime is how long a connection may take for each of its two words,
	// and maxStrangers how many may be doing so.
	strangerTime = 5 * time.Second
	maxStrangers = 1024
)

// An Owner says what is behind a port. Its methods are called from several
// goroutines.
type Owner interface {
	// Admit says whether process to can take a connection.
	Admit(to int) Status
	// Take gets a connection for process to, which it now owns. Process from
	// has opened it, or somebody else who knows the job's key.
	Take(to, from int, c *net.TCPConn)
}

// A Port is the one port of a host, listening on one or several addresses.
type Port struct {
	job   job
	host  int
	owner Owner
	addrs []string

	wg        sync.WaitGroup
	closed    chan struct{}
	mu        sync.Mutex
	done      bool
	listeners []*net.TCPListener
	strangers []*net.TCPConn // the oldest first
}

// Addrs are the addresses to try from other hosts, host:port each.
func (p *Port) Addrs() []string { return p.addrs }

// Serve begins to take connections for owner.
func (p *Port) Serve(owner Owner) {
	p.owner = owner
	for _, l := range p.listeners {
		p.wg.Go(func() { p.accept(l) })
	}
}

// Close ends listening and every connection that was not handed over. Owner is
// not called after it.
func (p *Port) Close() {
	p.mu.Lock()
	if !p.done {
		p.done = true
		close(p.closed)
	}
	for _, l := range p.listeners {
		l.Close()
	}
	for _, c := range p.strangers {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Port) accept(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			select {
			case <-p.closed:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors: some will be free again
				continue
			}
		}
		p.mu.Lock()
		if p.done {
			p.mu.Unlock()
			c.Close()
			return
		}
		if len(p.strangers) >= maxStrangers {
			p.strangers[0].Close() // its goroutine ends then
			p.strangers = slices.Delete(p.strangers, 0, 1)
		}
		p.strangers = append(p.strangers, c)
		p.mu.Unlock()
		p.wg.Go(func() { p.meet(c) })
	}
}

// meet finds out what the connection is for. Who does not speak the protocol,
// or is of another job, is not answered.
func (p *Port) meet(c *net.TCPConn) {
	from, to, err := p.prove(c)
	p.mu.Lock()
	if i := slices.Index(p.strangers, c); i >= 0 {
		p.strangers = slices.Delete(p.strangers, i, i+1)
	} else if err == nil {
		err = net.ErrClosed // displaced, or the port is closed
	}
	p.mu.Unlock()
	if err != nil {
		c.Close()
		return
	}
	c.SetDeadline(time.Time{})
	p.owner.Take(to, from, c)
}

// prove is the owner's side of the exchange.
func (p *Port) prove(c *net.TCPConn) (from, to int, err error) {
	c.SetDeadline(time.Now().Add(strangerTime))
	in := tardy{c}
	q, err := p.job.readAsk(in)
	if errors.Is(err, errVersion) {
		c.Write(opening(8)) // all that the other build can understand
		c.CloseWrite()
		io.CopyN(io.Discard, c, askSize) // unread bytes would reset the connection and with it the answer
	}
	if err != nil {
		return 0, 0, err
	}
	a := answer{status: p.owner.Admit(q.to), host: p.host, nonce: newNonce()}
	c.SetDeadline(time.Now().Add(strangerTime))
	if _, err := c.Write(a.encode(p.job.mac("owner", &q, &a))); err != nil {
		return 0, 0, err
	}
	var proof [proofSize]byte
	if _, err := io.ReadFull(in, proof[:]); err != nil {
		return 0, 0, err
	}
	if !hmac.Equal(proof[:], p.job.mac("dialer", &q, &a)) {
		return 0, 0, errKey
	}
	if a.status != Here {
		return 0, 0, errors.New(a.status.String())
	}
	return q.from, q.to, nil
}

// tardy reads from a connection whose deadline may have passed because we were
// late: on a busy host, an agent may not run for seconds. What has come by then
// is still taken.
type tardy struct{ c *net.TCPConn }

func (r tardy) Read(b []byte) (int, error) {
	n, err := r.c.Read(b)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		r.c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err = r.c.Read(b)
	}
	return n, err
}
