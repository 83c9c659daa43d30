// Package mem carries frames from a process to itself: between goroutine ranks.
// Post calls the sink on the poster's stack, so a message is copied once, from
// the sender's memory to the receiver's, and nobody has to be woken who is not
// waiting. It is the one link whose calls to the sink are not one at a time:
// goroutines that post at once deliver at once.
package mem

import (
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// Loop is the link of process me to itself.
func Loop(me int, sink transport.Sink) transport.Link { return loop{me, sink} }

type loop struct {
	me   int
	sink transport.Sink
}

// Post implements transport.Link. The sink sees the frame's own header, which is
// the link's until Sent: a copy would be an allocation a frame.
func (l loop) Post(f *transport.Frame) {
	h, body := &f.Header, f.Body
	if h.Kind != wire.Data {
		h.Body = uint32(len(body))
		l.sink.Arrived(l.me, h, body)
		l.sink.Sent(f, nil)
		return
	}
	base := h.Off
	for done := 0; ; {
		piece := min(len(body)-done, wire.MaxBody)
		h.Off, h.Body = base+uint64(done), uint32(piece)
		if dst := l.sink.Place(l.me, h); dst != nil {
			copy(dst, body[done:done+piece])
			l.sink.Placed(l.me, h)
		}
		if done += piece; done == len(body) {
			break
		}
	}
	l.sink.Sent(f, nil)
}
