package scale

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"gridrun/launcher"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
)

// FleetVerb is the command of gridrun's binary that is the fleet.
const FleetVerb = "__fleet"

// A Row is what one number of hosts has taken. Times are seconds.
type Row struct {
	Hosts   int     `json:"hosts"`
	Prepare float64 `json:"prepare_seconds"` // placing ranks
	Connect float64 `json:"connect_seconds"` // to the last agent
	Start   float64 `json:"start_seconds"`   // until the last has its Start
	Run     float64 `json:"run_seconds"`     // until all are ready, started and found
	End     float64 `json:"end_seconds"`     // from the first rank's end to gridrun's
	Total   float64 `json:"total_seconds"`
	Failure float64 `json:"failure_seconds"` // from one rank's failure to gridrun's end
	Memory  int64   `json:"memory_bytes"`    // peak resident set, beyond what was there before
	Sent    int64   `json:"sent_bytes"`      // to all agents until ranks run

	SSH map[int]float64 `json:"ssh_seconds"` // what the model says of each fan-out
}

// Run measures a job on each number of hosts, with agents of a fleet that self,
// gridrun's executable, plays.
func Run(ctx context.Context, self string, sizes []int) (rows []Row, err error) {
	dir, err := os.MkdirTemp("", "gridrun-scale-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	f, err := startFleet(ctx, self, filepath.Join(dir, "fleet"))
	if err != nil {
		return nil, err
	}
	defer f.close()
	for _, n := range sizes {
		good, err := f.job(ctx, plan{Hosts: n})
		if err != nil {
			return rows, fmt.Errorf("%d hosts: %w", n, err)
		}
		bad, err := f.job(ctx, plan{Hosts: n, Fail: true})
		if err != nil {
			return rows, fmt.Errorf("%d hosts, one of which fails: %w", n, err)
		}
		good.Failure, good.SSH = bad.End, map[int]float64{}
		for _, k := range Fanouts {
			good.SSH[k] = Predict(n, k, Measured).Seconds()
		}
		rows = append(rows, good)
	}
	return rows, nil
}

// A remote is the fleet as the launcher's side has it. It is an agents.Starter.
type remote struct {
	path    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
}

func startFleet(ctx context.Context, self, path string) (*remote, error) {
	f := &remote{path: path, cmd: exec.CommandContext(ctx, self, FleetVerb, path)}
	f.cmd.Stderr = os.Stderr
	var err error
	if f.in, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	f.answers = json.NewDecoder(out)
	if err := f.answers.Decode(new(marks)); err != nil {
		f.close()
		return nil, fmt.Errorf("the fleet does not start: %w", err)
	}
	return f, nil
}

func (f *remote) close() {
	f.in.Close()
	f.cmd.Wait() // its failures have shown in jobs
}

// Start connects to an agent of the fleet.
func (f *remote) Start(ctx context.Context, _ place.Host) (agents.Agent, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", f.path)
	if err != nil {
		return nil, err
	}
	return &agent{c}, nil
}

type agent struct{ net.Conn }

func (a *agent) Read(b []byte) (int, error) {
	n, err := a.Conn.Read(b)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}
func (a *agent) Kill()       { a.Conn.Close() }
func (a *agent) Wait() error { return a.Conn.Close() }

// lease is longer than any run: the fleet gives no signs of life.
const lease = 10 * time.Minute

// job runs one job and says what it took.
func (f *remote) job(ctx context.Context, p plan) (r Row, err error) {
	spec := launcher.Spec{Apps: []launcher.App{{NP: p.Hosts, Command: []string{"/bin/true"}}}, Lease: lease}
	for h := range p.Hosts {
		spec.Hosts = append(spec.Hosts, place.Host{Name: fmt.Sprintf("node%d", h+1), Slots: 1})
	}
	before := settle()
	began := time.Now()
	job, err := launcher.Prepare(ctx, spec)
	if err != nil {
		return r, err
	}
	prepared := time.Now()
	if err := json.NewEncoder(f.in).Encode(p); err != nil {
		return r, err
	}
	var out, errOut bytes.Buffer
	code := job.Run(ctx, f, launcher.IO{Stdout: &out, Stderr: &errOut})
	ended := time.Now()
	peak := status("VmHWM:")
	var m marks
	if err := f.answers.Decode(&m); err != nil {
		return r, fmt.Errorf("the fleet: %w", err)
	}
	lines := strings.Count(out.String(), "\n")
	switch {
	case p.Fail && (code != 3 || !strings.Contains(errOut.String(), "exited with code 3")),
		!p.Fail && (code != 0 || lines != p.Hosts):
		return r, fmt.Errorf("exit code %d, %d lines; %s", code, lines, errOut.String())
	}
	seconds := func(from, to int64) float64 { return time.Duration(to - from).Seconds() }
	return Row{
		Hosts:   p.Hosts,
		Prepare: prepared.Sub(began).Seconds(),
		Connect: seconds(prepared.UnixNano(), m.Connected),
		Start:   seconds(m.Connected, m.Started),
		Run:     seconds(m.Started, m.Running),
		End:     seconds(m.Ending, ended.UnixNano()),
		Total:   ended.Sub(began).Seconds(),
		Memory:  max(peak-before, 0),
		Sent:    m.Bytes,
	}, nil
}

// settle gives free memory back, makes the kernel forget the peak, and returns
// what is resident.
func settle() int64 {
	debug.FreeOSMemory()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // else the peak is that of all runs so far
	return status("VmRSS:")
}

// status is a line of /proc/self/status, in bytes.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if rest, ok := strings.CutPrefix(line, name); ok {
			fmt.Sscan(rest, &kib)
			return kib << 10
		}
	}
	return 0
}

// Print writes rows as a table.
func Print(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "hosts\tprepare s\tconnect\tstart\tready, found\tend\ttotal\tone fails\tmemory MB\tsent MB\t")
	for _, r := range rows {
		fmt.Fprintf(t, "%d\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.1f\t%.2f\t\n", r.Hosts,
			r.Prepare, r.Connect, r.Start, r.Run, r.End, r.Total, r.Failure, float64(r.Memory)/1e6, float64(r.Sent)/1e6)
	}
	return t.Flush()
}
