package launcher

import (
	"reflect"
	"testing"

	"gridrun/internal/wire"
)

// Whoever asks gets one answer: now, when the host is ready, or when it is lost.
func TestDirectory(t *testing.T) {
	d := newDirectory([]string{"a", "b", "c"})
	early, late := newLink(), newLink()
	at := func(l *link, i int, want *wire.Located) {
		t.Helper()
		if i >= len(l.queue) || !reflect.DeepEqual(l.queue[i], wire.Message(want)) {
			t.Errorf("answers %+v, want number %d to be %+v", l.queue, i, want)
		}
	}
	d.ask(1, early)
	d.ask(2, early)
	d.ask(1, late)
	if len(early.queue)+len(late.queue) > 0 {
		t.Fatal("answers before anything is known")
	}
	b := &wire.Located{Host: 1, Name: "b", Addrs: []string{"10.0.0.2:1"}}
	d.ready(1, b.Addrs)
	at(early, 0, b)
	at(late, 0, b)
	d.lost(2, "its agent ended")
	c := &wire.Located{Host: 2, Name: "c", Error: "host c is lost: its agent ended"}
	at(early, 1, c)
	d.ask(2, late)
	at(late, 1, c)
	d.lost(1, "cut off")
	d.ask(1, late)
	at(late, 2, &wire.Located{Host: 1, Name: "b", Error: "host b is lost: cut off"})
	for i, h := range []int{3, -1} {
		d.ask(h, late)
		if m := late.queue[3+i].(*wire.Located); m.Error == "" || m.Host != h {
			t.Errorf("host %d: %+v", h, m)
		}
	}
	if len(early.queue) != 2 || len(late.queue) != 5 || len(d.waiting) > 0 {
		t.Errorf("%d and %d answers, %d hosts waited for", len(early.queue), len(late.queue), len(d.waiting))
	}
}
