package scale

import (
	"fmt"
	"io"
	"sort"
	"text/tabwriter"
	"time"

	"gridrun/launcher/relay"
)

// A Cost is what ssh takes to connect to a host and start an agent there. The
// times that [Predict] makes of it are a model's, of hosts that do nothing else.
type Cost struct {
	Client  time.Duration // computed by who connects
	Server  time.Duration // until the agent runs, when the host does nothing else
	Relay   time.Duration // until a host that has an agent can connect to others
	Through time.Duration // computed by the launcher for a host that another connects to
	Cores   int           // of the launcher and of each host
	Window  int           // connections that the launcher has under way at once
}

// Measured is what a machine of 2 cores has shown (docs/benchmarks.md says how);
// Relay and Through are estimates.
var Measured = Cost{
	Client:  2600 * time.Microsecond,
	Server:  88 * time.Millisecond,
	Relay:   15 * time.Millisecond,
	Through: 900 * time.Microsecond,
	Cores:   2,
	Window:  64,
}

// Fanouts are those that Row.SSH has times for; 0 is flat.
var Fanouts = []int{0, 8, 16, 32, 64}

// Predict is how long it takes until n hosts have their agents, each started by
// the launcher (fanout 0) or as --fanout says.
func Predict(n, fanout int, c Cost) time.Duration {
	launcher := newCores(c.Cores, 0)
	type side struct {
		cores *cores
		begun []time.Duration // when connections were over, in order of their begin
	}
	sides := map[int]*side{relay.Root: {cores: launcher}}
	ready := make([]time.Duration, n)
	var last time.Duration
	for i := range n {
		up := relay.Root
		if fanout > 0 {
			up = relay.Parent(i, fanout)
		}
		s := sides[up]
		if s == nil {
			s = &side{cores: newCores(c.Cores, ready[up]+c.Relay)}
			sides[up] = s
		}
		var begin time.Duration
		if w := len(s.begun) - c.Window; w >= 0 {
			sort.Slice(s.begun, func(a, b int) bool { return s.begun[a] < s.begun[b] })
			begin = s.begun[w]
		}
		ready[i] = s.cores.work(begin, c.Client) + c.Server
		if up != relay.Root {
			ready[i] = max(ready[i], launcher.work(0, c.Through))
		}
		s.begun = append(s.begun, ready[i])
		last = max(last, ready[i])
	}
	return last
}

// cores are processors that each do one thing after the other.
type cores struct{ free []time.Duration }

func newCores(n int, from time.Duration) *cores {
	c := &cores{make([]time.Duration, n)}
	for i := range c.free {
		c.free[i] = from
	}
	return c
}

// work does what takes t, not before begin, and returns when it is done.
func (c *cores) work(begin, t time.Duration) time.Duration {
	first := 0
	for i, free := range c.free {
		if free < c.free[first] {
			first = i
		}
	}
	c.free[first] = max(c.free[first], begin) + t
	return c.free[first]
}

// PrintPrediction writes what ssh adds for each fan-out as a table.
func PrintPrediction(w io.Writer, rows []Row) error {
	fmt.Fprintf(w, "\nssh, by the model: until all hosts have their agents, seconds; %d cores, %v computed here and %v there for a host\n", Measured.Cores, Measured.Client, Measured.Server)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "hosts\tflat\t")
	for _, k := range Fanouts[1:] {
		fmt.Fprintf(t, "--fanout %d\t", k)
	}
	fmt.Fprintln(t)
	for _, r := range rows {
		fmt.Fprintf(t, "%d\t", r.Hosts)
		for _, k := range Fanouts {
			fmt.Fprintf(t, "%.2f\t", r.SSH[k])
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
