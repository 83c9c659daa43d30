package relay

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

// A Session is many streams over one connection. Each end looks from time to time
// whether it has heard anything of the other, and closes the session when it has
// not at so many looks. Looks are counted, as agents and launcher count them: an
// end that has itself not run for a while finds one tick waiting, and behind it
// what the other has said.
type Session struct {
	mux     *yamux.Session
	quiet   atomic.Int32 // looks since the other end was heard
	resting atomic.Bool  // the launcher is stopped, and silent for that
	pinging atomic.Bool  // an answer is awaited
}

// Patience is how long a session lives without a sign of life, at least.
const Patience = 3 * time.Second

// looks is how often in its patience a session looks whether it has heard anything.
const looks = 12

// never is longer than any session lasts: it is the looks that end a session, as
// yamux's own limits would pass while the launcher is stopped.
const never = 10 * 365 * 24 * time.Hour

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive, c.ConnectionWriteTimeout = false, never
	c.StreamOpenTimeout = 0  // a relay that does not answer is noticed by the stages' deadlines
	c.StreamCloseTimeout = 0 // a process may go on for long after the end of its input
	c.LogOutput = io.Discard
	return c
}

// Client is the launcher's end of a session over conn.
func Client(conn io.ReadWriteCloser, patience time.Duration) (*Session, error) {
	return begin(conn, patience, yamux.Client)
}

// Server is the relay's end.
func Server(conn io.ReadWriteCloser, patience time.Duration) (*Session, error) {
	return begin(conn, patience, yamux.Server)
}

func begin(conn io.ReadWriteCloser, patience time.Duration, start func(io.ReadWriteCloser, *yamux.Config) (*yamux.Session, error)) (*Session, error) {
	s := &Session{}
	var err error
	if s.mux, err = start(&heard{conn, s}, config()); err != nil {
		return nil, err
	}
	go s.watch(patience / looks)
	return s, nil
}

// heard is a connection of which every byte is a sign of life.
type heard struct {
	io.ReadWriteCloser
	session *Session
}

func (h *heard) Read(b []byte) (int, error) {
	n, err := h.ReadWriteCloser.Read(b)
	if n > 0 {
		h.session.quiet.Store(0)
	}
	return n, err
}

// watch closes a session whose other end is silent, and asks that end to say
// something when it has nothing to say.
func (s *Session) watch(every time.Duration) {
	look := time.NewTicker(every)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-s.mux.CloseChan():
			return
		}
		switch {
		case s.resting.Load():
			s.quiet.Store(0)
		case s.quiet.Add(1) > looks:
			s.mux.Close()
			return
		case s.pinging.CompareAndSwap(false, true):
			go func() {
				s.mux.Ping() // an error is the end of the session
				s.pinging.Store(false)
			}()
		}
	}
}

// Open begins a stream with a message.
func (s *Session) Open(m *Message) (net.Conn, error) {
	stream, err := s.mux.OpenStream()
	if err != nil {
		return nil, err
	}
	if err := Write(stream, m); err != nil {
		stream.Close()
		return nil, err
	}
	return stream, nil
}

// Accept is the next stream that the launcher has opened.
func (s *Session) Accept() (net.Conn, error) { return s.mux.AcceptStream() }

// Rest is what the relay does on Message.Rest: while the launcher is stopped its
// silence means nothing.
func (s *Session) Rest(on bool) { s.resting.Store(on) }

// AskRest has the relay rest, or rest no longer. It waits for the answer, for the
// limit at most.
func (s *Session) AskRest(on bool, limit time.Duration) error {
	stream, err := s.Open(&Message{Rest: &Rest{On: on}})
	if err != nil {
		return err
	}
	defer stream.Close()
	stream.SetReadDeadline(time.Now().Add(limit))
	m, err := Read(stream)
	if err == nil && m.Done == nil {
		err = fmt.Errorf("%w: no answer to Rest", ErrProtocol)
	}
	return err
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Close ends the session and all its streams, and closes the connection.
func (s *Session) Close() { s.mux.Close() }
