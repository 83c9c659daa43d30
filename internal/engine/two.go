package engine

import (
	"sync"
	"sync/atomic"

	"gridrun/internal/transport"
)

// two is two polled networks as one: bell, in whose doorbell who waits sleeps
// (shared memory, where a look costs a few nanoseconds), and far (TCP, where it
// is a system call). A goroutine waits for far to ring and rings bell.
type two struct {
	transport.Poller // bell
	far              transport.Poller

	looks  int // since far was looked at; the token's holder's, as is quiet
	quiet  int // looks at far since something came
	rung   atomic.Bool
	ending atomic.Bool
	joined sync.WaitGroup
}

const (
	// quietLooks are the looks at far in which nothing came after which every
	// look at bell is no longer one at far too, but only each farEvery-th.
	quietLooks = 1000
	farEvery   = 16
)

func newTwo(bell, far transport.Poller) *two { return &two{Poller: bell, far: far} }

func (p *two) start() {
	p.joined.Go(func() {
		for {
			p.far.Sleep(1, 0)
			if p.ending.Load() {
				return
			}
			p.rung.Store(true)
			p.Poller.Wake()
		}
	})
}

func (p *two) stop() {
	p.ending.Store(true)
	p.far.Wake()
	p.joined.Wait()
}

func (p *two) Poll() int {
	n := p.Poller.Poll()
	if p.rung.Load() {
		p.rung.Store(false)
		p.quiet = 0
	}
	if p.looks++; p.quiet >= quietLooks && p.looks < farEvery {
		return n
	}
	p.looks = 0
	k := p.far.Poll()
	if p.quiet++; k > 0 {
		p.quiet = 0
	}
	return n + k
}

func (p *two) Sleep(which int, timeout int64) {
	if which == 1 {
		p.Poller.Sleep(1, timeout)
		return
	}
	p.far.Watch(false) // has the ringer armed meanwhile
	p.Poller.Sleep(0, timeout)
	p.far.Watch(true)
	p.quiet = 0
}

func (p *two) Watch(on bool) bool {
	far := p.far.Watch(on)
	return p.Poller.Watch(on) || far
}
