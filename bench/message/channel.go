package message

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gridrun/internal/engine"
)

// What goroutine ranks are compared with: Go's channels between the same goroutines,
// in the same tests. A channel hands the sender's slice over and the receiver copies
// it, so there is one copy, as of a message to a receive that waits. The channels say
// nothing of order, types, lengths, ends and cancellation.

// channelsWord is the first argument of a job that uses channels with room for so
// many messages: channels=64.
const channelsWord = "channels="

// Channels is gridrun's job with channels that have room for so many messages.
func (c Contender) Channels(room int) Contender {
	c.Name, c.Version, c.program = "channel", "", append(slices.Clip(c.program), channelsWord+strconv.Itoa(room))
	if room > 0 {
		c.Name = fmt.Sprintf("channel of %d", room)
	}
	return c
}

// ChannelRoom is that of the channel whose sender goes ahead: a window.
const ChannelRoom = window

// Channels tells whether a test is there over channels.
func (t Task) Channels() bool {
	return slices.ContainsFunc(t.Tests, func(name string) bool { return overChannels[name] != nil })
}

// overChannels are the tests that there are over channels.
var overChannels = map[string]func(m *rank) error{
	"latency":   channelLatency,
	"bandwidth": func(m *rank) error { return m.channelWindow(0, 1) },
	"rate": func(m *rank) error {
		pairs := m.w.Size() / 2
		switch r := m.w.Rank(); {
		case r < pairs:
			return m.channelWindow(r, r+pairs)
		case r < 2*pairs:
			return m.channelWindow(r-pairs, r)
		}
		return nil
	},
}

// channelRoom reads the word; -1: it is none.
func channelRoom(word string) int {
	if n, ok := strings.CutPrefix(word, channelsWord); ok {
		if room, err := strconv.Atoi(n); err == nil && room >= 0 && room <= 1<<16 {
			return room
		}
	}
	return -1
}

// over is the test over channels with room for so many messages; false: there is none.
func (t test) over(room int) (test, bool) {
	call, ok := overChannels[t.name]
	t.room = room
	t.call = func(_ context.Context, m *rank) error { return call(m) }
	return t, ok
}

// meet finds the channels to a peer and from it, once for a test.
func (m *rank) meet(peer int) {
	if m.there != nil {
		return
	}
	shared := engine.From(m.w).Proc().Local("channels of "+JobName, func() any { return &channels{of: make(map[channel]chan []byte)} }).(*channels)
	me := m.w.Rank()
	m.there, m.back = shared.get(channel{me, peer, m.room}), shared.get(channel{peer, me, m.room})
}

// A channel leads from one rank to another and has room for so many messages.
type channel struct{ from, to, room int }

// channels are those of the process.
type channels struct {
	mu sync.Mutex
	of map[channel]chan []byte
}

func (c *channels) get(which channel) chan []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[which] == nil {
		c.of[which] = make(chan []byte, which.room)
	}
	return c.of[which]
}

// channelLatency and channelWindow are latency and window.
func channelLatency(m *rank) error {
	me := m.w.Rank()
	if me > 1 {
		return nil
	}
	m.meet(1 - me)
	if me == 0 {
		m.there <- m.out
		copy(m.in, <-m.back)
	} else {
		copy(m.in, <-m.back)
		m.there <- m.out
	}
	return nil
}

func (m *rank) channelWindow(from, to int) error {
	switch m.w.Rank() {
	case from:
		m.meet(to)
		for range window {
			m.there <- m.out
		}
		copy(m.ack, <-m.back)
	case to:
		m.meet(from)
		for range window {
			copy(m.in, <-m.back)
		}
		m.there <- m.ack
	}
	return nil
}
