package algo

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// A hub connects p ranks without any buffering: a Send returns only when its
// receive has come, so an algorithm that leans on eager messages stands still.
type hub struct {
	p     int
	links [][]chan letter // [from][to]
	stop  chan struct{}   // closed when a rank has failed
	once  sync.Once

	messages, bytes []atomic.Int64 // sent, by rank
	failAt          int64          // the transfer that fails, counted over all ranks; 0: none
	transfers       atomic.Int64
}

type letter struct {
	bytes []byte
	taken chan struct{}
}

var errStopped = errors.New("another rank has failed")
var errInjected = errors.New("injected")

func newHub(p int) *hub {
	h := &hub{p: p, stop: make(chan struct{}), messages: make([]atomic.Int64, p), bytes: make([]atomic.Int64, p)}
	for range p {
		row := make([]chan letter, p)
		for i := range row {
			row[i] = make(chan letter)
		}
		h.links = append(h.links, row)
	}
	return h
}

// run runs body on all ranks and returns the first error that is not collateral.
func (h *hub) run(t *testing.T, body func(c Net) error) error {
	t.Helper()
	errs := make(chan error, h.p)
	for r := range h.p {
		go func() {
			err := body(&wire{h, r})
			if err != nil {
				h.once.Do(func() { close(h.stop) })
			}
			errs <- err
		}()
	}
	var first error
	timeout := time.After(20 * time.Second)
	for range h.p {
		select {
		case err := <-errs:
			if err != nil && (first == nil || errors.Is(first, errStopped)) {
				first = err
			}
		case <-timeout:
			t.Fatal("the ranks stand still")
		}
	}
	return first
}

// A wire is a rank's end.
type wire struct {
	h *hub
	r int
}

func (w *wire) Rank() int { return w.r }
func (w *wire) Size() int { return w.h.p }

// Scratch is full of rubbish: nobody may count on zeros.
func (w *wire) Scratch(n int) []byte {
	words := make([]uint64, (n+7)/8)
	for i := range words {
		words[i] = 0xa5a5a5a5a5a5a5a5
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

func (w *wire) count() error {
	if w.h.transfers.Add(1) == w.h.failAt {
		return errInjected
	}
	return nil
}

func (w *wire) Send(dst int, x []byte) error {
	if err := w.count(); err != nil {
		return err
	}
	if dst == w.r {
		return fmt.Errorf("rank %d sends to itself", w.r)
	}
	l := letter{x, make(chan struct{})}
	select {
	case w.h.links[w.r][dst] <- l:
	case <-w.h.stop:
		return errStopped
	}
	<-l.taken
	w.h.messages[w.r].Add(1)
	w.h.bytes[w.r].Add(int64(len(x)))
	return nil
}

func (w *wire) RecvBytes(src int) ([]byte, error) {
	if err := w.count(); err != nil {
		return nil, err
	}
	select {
	case l := <-w.h.links[src][w.r]:
		b := append([]byte(nil), l.bytes...)
		close(l.taken)
		return b, nil
	case <-w.h.stop:
		return nil, errStopped
	}
}

func (w *wire) Recv(src int, x []byte) error {
	b, err := w.RecvBytes(src)
	if err == nil && len(b) != len(x) {
		err = fmt.Errorf("rank %d gets %d bytes from %d where it expects %d", w.r, len(b), src, len(x))
	}
	copy(x, b)
	return err
}

func (w *wire) SendRecv(dst int, out []byte, src int, in []byte) error {
	return w.Exchange([]Part{{dst, out}}, []Part{{src, in}})
}

func (w *wire) Exchange(out, in []Part) error {
	errs := make(chan error)
	for _, p := range out {
		go func() { errs <- w.Send(p.Peer, p.Bytes) }()
	}
	for _, p := range in {
		go func() { errs <- w.Recv(p.Peer, p.Bytes) }()
	}
	var first error
	for range len(out) + len(in) {
		if err := <-errs; err != nil && first == nil {
			first = err
			w.h.once.Do(func() { close(w.h.stop) })
		}
	}
	return first
}
