package relay

import (
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// A Session is many streams over one connection.
type Session struct{ mux *yamux.Session }

// Patience is how long a session lives without a sign of life, at least.
const Patience = 3 * time.Second

func config(patience time.Duration) *yamux.Config {
	c := yamux.DefaultConfig()
	c.KeepAliveInterval, c.ConnectionWriteTimeout = patience/3, patience
	c.StreamOpenTimeout = 0  // a relay that does not answer is noticed by the stages' deadlines
	c.StreamCloseTimeout = 0 // a process may go on for long after the end of its input
	c.LogOutput = io.Discard
	return c
}

// Client is the launcher's end of a session over conn.
func Client(conn io.ReadWriteCloser, patience time.Duration) (*Session, error) {
	s, err := yamux.Client(conn, config(patience))
	return &Session{s}, err
}

// Server is the relay's end.
func Server(conn io.ReadWriteCloser, patience time.Duration) (*Session, error) {
	s, err := yamux.Server(conn, config(patience))
	return &Session{s}, err
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

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Close ends the session and all its streams, and closes the connection.
func (s *Session) Close() { s.mux.Close() }
