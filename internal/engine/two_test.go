package engine

import (
	"sync/atomic"
	"testing"

	"gridrun/internal/spin"
)

// fakePoller counts what is asked of it; each word into bell ends one Sleep.
type fakePoller struct {
	polls, brings int
	watched       []bool
	wakes         atomic.Int32
	bell          chan struct{}
}

func (f *fakePoller) Poll() int          { f.polls++; return f.brings }
func (f *fakePoller) Sleep(int, int64)   { <-f.bell }
func (f *fakePoller) Doze(*spin.Pulse)   { <-f.bell }
func (f *fakePoller) Wake()              { f.wakes.Add(1); f.bell <- struct{}{} }
func (f *fakePoller) Watch(on bool) bool { f.watched = append(f.watched, on); return false }
func (f *fakePoller) Nudge(int)          {}

func TestTwoLooksAtBoth(t *testing.T) {
	near, far := &fakePoller{brings: 1}, &fakePoller{brings: 2}
	p := newTwo(near, far)
	if n := p.Poll(); n != 3 {
		t.Errorf("%d frames, want those of both", n)
	}
	far.brings = 0
	for range quietLooks {
		p.Poll()
	}
	if far.polls != quietLooks+1 {
		t.Errorf("%d looks at the far one, want %d", far.polls, quietLooks+1)
	}
	far.polls = 0
	for range 10 * farEvery {
		p.Poll()
	}
	if far.polls != 10 {
		t.Errorf("%d looks at the far one while it is quiet, want 10", far.polls)
	}
	far.brings = 1
	for range farEvery {
		p.Poll()
	}
	far.polls = 0
	p.Poll()
	if far.polls != 1 {
		t.Error("it is not looked at each time after something has come")
	}
}

func TestTwoPassesTheRingOn(t *testing.T) {
	near, far := &fakePoller{bell: make(chan struct{}, 9)}, &fakePoller{bell: make(chan struct{}, 9)}
	p := newTwo(near, far)
	p.start()
	far.bell <- struct{}{}
	p.Sleep(0, 0) // until far's ring has come to near
	if len(far.watched) != 2 || far.watched[0] || !far.watched[1] {
		t.Errorf("far is watched %v around a sleep, want false and true", far.watched)
	}
	p.stop()
	if near.wakes.Load() != 1 || far.wakes.Load() != 1 {
		t.Errorf("%d and %d wakes, want one each", near.wakes.Load(), far.wakes.Load())
	}
}
