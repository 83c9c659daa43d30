package registry

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gridrun/internal/rundir"
)

const (
	suffix      = ".job"
	maxRequest  = 4 << 10
	maxReply    = 16 << 20
	maxConns    = 16
	readLimit   = 5 * time.Second
	answerLimit = 15 * time.Second
)

// A Summary is a line of `gridrun ps`.
type Summary struct {
	Job     string        `json:"job"`
	Pid     int           `json:"pid"` // of gridrun itself
	Started time.Time     `json:"started"`
	Program string        `json:"program"`
	Hosts   []string      `json:"hosts"`
	Ranks   int           `json:"ranks"`
	Running int           `json:"running"`
	Ended   int           `json:"ended"`
	CPU     time.Duration `json:"cpu_ns"`
	Memory  int64         `json:"memory_bytes"`
	State   string        `json:"state"`
}

// A Job is what answers.
type Job interface {
	Summary(ctx context.Context) (Summary, error)
	// Stacks says what every rank is doing, all: without leaving anything out.
	Stacks(ctx context.Context, all bool) (string, error)
}

// A request is what a client says.
type request struct {
	Ask string `json:"ask"` // "summary" or "stacks"
	All bool   `json:"all,omitempty"`
}

// A reply is what it gets.
type reply struct {
	Error   string   `json:"error,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
	Text    string   `json:"text,omitempty"`
}

// A Server answers for one job.
type Server struct {
	job      Job
	listener *net.UnixListener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[*net.UnixConn]bool
}

// Listen makes the job known as id in dir.
func Listen(dir, id string, job Job) (*Server, error) {
	path := filepath.Join(dir, id+suffix)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{job: job, listener: l, conns: map[*net.UnixConn]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.accept)
	return s, nil
}

// Close removes the socket; who still waits for an answer gets none.
func (s *Server) Close() {
	s.cancel()
	s.listener.Close() // removes the socket; fails only when closed before
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Server) accept() {
	for {
		c, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left: later, perhaps
			select {
			case <-time.After(100 * time.Millisecond):
			case <-s.ctx.Done():
			}
			continue
		}
		s.mu.Lock()
		welcome := s.ctx.Err() == nil && len(s.conns) < maxConns
		if welcome {
			s.conns[c] = true
		}
		s.mu.Unlock()
		if !welcome {
			c.Close()
			continue
		}
		s.wg.Go(func() {
			s.serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// serve answers one request. Errors of the connection are the client's trouble.
func (s *Server) serve(c *net.UnixConn) {
	if !trusted(c) {
		return
	}
	c.SetDeadline(time.Now().Add(readLimit))
	q, err := readRequest(c)
	if err != nil {
		write(c, reply{Error: err.Error()})
		return
	}
	c.SetDeadline(time.Now().Add(readLimit + answerLimit))
	ctx, cancel := context.WithTimeout(s.ctx, answerLimit)
	defer cancel()
	var r reply
	switch q.Ask {
	case "summary":
		sum, fail := s.job.Summary(ctx)
		r.Summary, err = &sum, fail
	case "stacks":
		r.Text, err = s.job.Stacks(ctx, q.All)
		if len(r.Text) > maxReply/2 { // escapes may make it longer
			r.Text = r.Text[:maxReply/2] + "\n... cut here\n"
		}
	}
	if err != nil {
		r = reply{Error: err.Error()}
	}
	write(c, r)
}

func write(c net.Conn, r reply) {
	if b, err := json.Marshal(r); err == nil {
		c.Write(b)
	}
}

// readRequest reads one line.
func readRequest(r io.Reader) (q request, err error) {
	line, err := bufio.NewReaderSize(io.LimitReader(r, maxRequest), maxRequest).ReadSlice('\n')
	if err != nil {
		return q, fmt.Errorf("no request of at most %d bytes: %w", maxRequest, err)
	}
	if err := json.Unmarshal(line, &q); err != nil {
		return q, fmt.Errorf("malformed request: %w", err)
	}
	if q.Ask != "summary" && q.Ask != "stacks" {
		return q, fmt.Errorf("unknown question %.40q", q.Ask)
	}
	return q, nil
}

// trusted says that the process at the other end is this user's, or root's.
func trusted(c *net.UnixConn) bool {
	uid, _, ok := rundir.Peer(c)
	return ok && (uid == os.Getuid() || uid == 0)
}
