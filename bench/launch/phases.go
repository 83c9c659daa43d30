package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Phase is a step of gridrun's start that it tells of with -v: when the first
// and when the last host or rank took it, in seconds from the command.
type Phase struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	First float64 `json:"first_seconds"`
	Last  float64 `json:"last_seconds"`
}

func (p Phase) String() string {
	return fmt.Sprintf("%s: %d, first after %.3f s, last after %.3f s", p.Name, p.Count, p.First, p.Last)
}

// steps are the phases and what gridrun's lines about them hold.
var steps = []struct{ name, mark string }{
	{"agents ready", " ready after "},
	{"ranks started", " started, pid "},
	{"ranks ended", " ended: code "},
}

// Phases runs gridrun, the first contender, and notes when it tells of each step.
func Phases(ctx context.Context, c Contender, ranks int) ([]Phase, error) {
	cmd := c.command(ctx, slices.Insert(slices.Clone(c.run), 1, "-v"), ranks)
	cmd.Stdout = io.Discard
	told, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	phases, readErr := phasesOf(told, func() float64 { return time.Since(began).Seconds() })
	if err := errors.Join(readErr, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("%s -v: %w", c.Name, err)
	}
	end := time.Since(began).Seconds()
	return append(phases, Phase{"exit", 1, end, end}), nil
}

// phasesOf reads lines until the end; now is the time of each.
func phasesOf(told io.Reader, now func() float64) ([]Phase, error) {
	phases := make([]Phase, len(steps))
	for i, s := range steps {
		phases[i].Name = s.name
	}
	lines := bufio.NewScanner(told)
	for lines.Scan() {
		i := slices.IndexFunc(steps, func(s struct{ name, mark string }) bool { return strings.Contains(lines.Text(), s.mark) })
		if i < 0 {
			continue
		}
		p := &phases[i]
		p.Last = now()
		if p.Count++; p.Count == 1 {
			p.First = p.Last
		}
	}
	return phases, lines.Err()
}
