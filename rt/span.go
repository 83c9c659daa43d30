package rt

import "gridrun/internal/trace"

// Span begins a span of the timeline that `gridrun --trace` draws, and the func
// returned ends it:
//
//	defer rt.Span(w, "solve")()
//
// Up to 256 names of a rank are kept, and 63 bytes of each. Without --trace a span
// costs a look at a pointer.
func Span(g Group, name string) (end func()) {
	rec := g.group().c.Recorder()
	if rec == nil || !rec.Tracing() {
		return nothing
	}
	begin := rec.Now()
	return func() { rec.Add(trace.Event{Kind: trace.Span, Begin: begin, Peer: -1, Tag: -1}, name) }
}

func nothing() {}
