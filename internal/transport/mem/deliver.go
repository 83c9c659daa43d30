package mem

import (
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// deliver hands f to sink. The sink sees a copy of the header: the poster may
// reuse the frame while the sink still looks at it, once it has the last byte.
func deliver(sink transport.Sink, from int, f *transport.Frame) {
	h := f.Header
	body := f.Body
	if h.Kind != wire.Data {
		h.Body = uint32(len(body))
		sink.Arrived(from, &h, body)
		return
	}
	base := h.Off
	for done := 0; ; {
		piece := min(len(body)-done, wire.MaxBody)
		h.Off, h.Body = base+uint64(done), uint32(piece)
		if dst := sink.Place(from, &h); dst != nil {
			copy(dst, body[done:done+piece])
		}
		sink.Placed(from, &h)
		if done += piece; done == len(body) {
			return
		}
	}
}
