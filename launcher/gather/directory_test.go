package gather

import (
	"reflect"
	"testing"

	"gridrun/internal/wire"
)

// answers are what one asker was told.
type answers []wire.Message

func (a *answers) add(m wire.Message) { *a = append(*a, m) }

// Whoever asks gets one answer: now, when the host is ready, or when it is lost.
func TestDirectory(t *testing.T) {
	d := NewDirectory([]string{"a", "b", "c"})
	var early, late answers
	at := func(l *answers, i int, want *wire.Located) {
		t.Helper()
		if i >= len(*l) || !reflect.DeepEqual((*l)[i], wire.Message(want)) {
			t.Errorf("answers %+v, want number %d to be %+v", *l, i, want)
		}
	}
	d.Ask(1, early.add)
	d.Ask(2, early.add)
	d.Ask(1, late.add)
	if len(early)+len(late) > 0 {
		t.Fatal("answers before anything is known")
	}
	b := &wire.Located{Host: 1, Name: "b", Addrs: []string{"10.0.0.2:1"}}
	d.Ready(1, b.Addrs)
	at(&early, 0, b)
	at(&late, 0, b)
	d.Lost(2, "its agent ended")
	c := &wire.Located{Host: 2, Name: "c", Error: "host c is lost: its agent ended"}
	at(&early, 1, c)
	d.Ask(2, late.add)
	at(&late, 1, c)
	d.Lost(1, "cut off")
	d.Ask(1, late.add)
	at(&late, 2, &wire.Located{Host: 1, Name: "b", Error: "host b is lost: cut off"})
	for i, h := range []int{3, -1} {
		d.Ask(h, late.add)
		if m := late[3+i].(*wire.Located); m.Error == "" || m.Host != h {
			t.Errorf("host %d: %+v", h, m)
		}
	}
	if len(early) != 2 || len(late) != 5 || len(d.waiting) > 0 {
		t.Errorf("%d and %d answers, %d hosts waited for", len(early), len(late), len(d.waiting))
	}
}
