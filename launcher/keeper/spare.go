package keeper

import (
	"fmt"
	"io"
	"sync"
	"time"

	"gridrun/internal/wire"
)

// A spare is an agent that waits for a job.
type spare struct {
	process Process
	stream  *wire.Stream
	hello   wire.Hello
	born    time.Time

	ended  chan struct{} // closed when it has ended without a job
	handed chan struct{} // closed when its stream is the taker's
	silent chan struct{} // closed when it did not answer its taker

	mu     sync.Mutex
	wanted bool // the next thing that it says hands it over
	asked  bool // a sign of life is awaited
}

// newSpare hears an agent's first word and begins to listen to it.
func newSpare(p Process) (*spare, error) {
	s := &spare{process: p, born: time.Now(), ended: make(chan struct{}), handed: make(chan struct{}), silent: make(chan struct{})}
	late := time.AfterFunc(helloLimit, p.Kill)
	err := s.open()
	if !late.Stop() && err != nil {
		err = fmt.Errorf("its agent says nothing for %v", helloLimit)
	}
	if err != nil {
		go s.drain()
		s.discard()
		return nil, err
	}
	go s.listen()
	return s, nil
}

func (s *spare) open() (err error) {
	if s.stream, err = wire.NewStream(s.process, s.process); err != nil {
		return err
	}
	if err = s.stream.Open(); err != nil {
		return fmt.Errorf("its agent says nothing: %w", err)
	}
	m, err := s.stream.Receive()
	if err != nil {
		return fmt.Errorf("its agent says nothing: %w", err)
	}
	hello, ok := m.(*wire.Hello)
	if !ok || hello.Version != wire.Version {
		return fmt.Errorf("its agent began with %T", m)
	}
	s.hello = *hello
	return nil
}

// listen hears signs of life until the spare is taken or has ended.
func (s *spare) listen() {
	for {
		_, err := s.stream.Receive()
		s.mu.Lock()
		s.asked = false
		wanted := s.wanted
		s.mu.Unlock()
		switch {
		case err != nil:
			s.drain()
			return
		case wanted:
			close(s.handed)
			return
		}
	}
}

// drain ends the process and reads what is left of it.
func (s *spare) drain() {
	defer close(s.ended)
	s.process.Kill()
	io.Copy(io.Discard, s.process)
	s.process.Wait() // killed
}

// discard ends the process and waits for that, as long as is reasonable: on a
// connection that is cut its reader ends when that is closed.
func (s *spare) discard() {
	s.process.Kill()
	select {
	case <-s.ended:
	case <-time.After(discardLimit):
	}
}

// beat asks for a sign of life; false: the one before has not come.
func (s *spare) beat() bool {
	s.mu.Lock()
	silent := s.asked
	s.asked = true
	s.mu.Unlock()
	if silent {
		return false
	}
	go s.stream.Send(&wire.Beat{}) // a connection that is cut may block; it then shows as silence
	return true
}

// take makes sure that the spare lives and makes its stream ours. When it does
// not, it is gone for everybody.
func (s *spare) take(limit time.Duration) error {
	s.mu.Lock()
	s.wanted = true
	s.mu.Unlock()
	late := time.NewTimer(limit)
	defer late.Stop()
	go s.stream.Send(&wire.Beat{})
	select {
	case <-s.handed:
		return nil
	case <-s.ended:
		return fmt.Errorf("its waiting agent has ended")
	case <-late.C:
		s.process.Kill()
		close(s.silent)
		return fmt.Errorf("its waiting agent gives no sign of life for %v", limit)
	}
}
