package agents

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"gridrun/internal/wire"
	"gridrun/launcher/place"
)

// greeters are agents that say one thing and wait to be killed.
type greeters struct {
	say    map[string]wire.Message // by host; none: the agent ends at once
	living atomic.Int32
}

type greeter struct {
	io.Reader
	io.Writer
	end func() error
	of  *greeters
}

func (g *greeters) Start(_ context.Context, h place.Host) (Agent, error) {
	if h.Name == "down" {
		return nil, errors.New("connection refused")
	}
	r, w := io.Pipe()
	g.living.Add(1)
	m := g.say[h.Name]
	go func() {
		s, err := wire.NewStream(nil, w)
		if err == nil && m != nil {
			s.Send(m)
			return
		}
		w.Close()
	}()
	return &greeter{Reader: r, Writer: io.Discard, end: w.Close, of: g}, nil
}

func (g *greeter) Kill()       { g.end() }
func (g *greeter) Wait() error { g.of.living.Add(-1); return nil }

func TestSurvey(t *testing.T) {
	g := &greeters{say: map[string]wire.Message{"a": &wire.Hello{CPUs: 7}, "b": &wire.Hello{CPUs: 1}}}
	hosts, err := Survey(t.Context(), g, []place.Host{{Name: "a"}, {Name: "said", Slots: 3}, {Name: "b"}, {Name: "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{7, 3, 1, 0} {
		if hosts[i].Slots != want {
			t.Errorf("%v has %d slots, want %d", hosts[i], hosts[i].Slots, want)
		}
	}
	if n := g.living.Load(); n != 0 {
		t.Errorf("%d agents were not waited for", n)
	}
}

func TestSurveyNamesEveryHostThatFails(t *testing.T) {
	g := &greeters{say: map[string]wire.Message{"odd": &wire.Done{}, "idle": &wire.Hello{}}}
	_, err := Survey(t.Context(), g, []place.Host{{Name: "down"}, {Name: "odd"}, {Name: "mute"}, {Name: "idle"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, host := range []string{"host down", "host odd", "host mute", "host idle"} {
		if !strings.Contains(err.Error(), host) {
			t.Errorf("%q is not in: %v", host, err)
		}
	}
	if n := g.living.Load(); n != 0 {
		t.Errorf("%d agents were not waited for", n)
	}
}
