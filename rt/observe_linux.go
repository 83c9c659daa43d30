package rt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"

	"golang.org/x/sys/unix"

	"gridrun/internal/hostclock"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

// observed takes the descriptors that follow Welcome when the job is observed.
func (a *agentLink) observed() error {
	w := a.welcome.Watch
	a.memory = make(map[string]*os.File)
	for what, wanted := range map[string]bool{wire.MemoryRecord: w.Record(), wire.MemoryProfile: w.Profile} {
		if wanted {
			a.memory[what] = nil
		}
	}
	for range len(a.memory) {
		m, f, err := a.conn.Receive()
		if err != nil {
			return fmt.Errorf("the host's agent said no more: %w", err)
		}
		memory, ok := m.(*wire.Memory)
		if !ok || f == nil {
			return fmt.Errorf("the host's agent went on with %T", m)
		}
		a.memory[memory.What] = f
	}
	return nil
}

// recorders are the pens of this process's ranks, by world rank. The memory stays
// mapped until the process ends.
func (a *agentLink) recorders() (map[int]*trace.Recorder, error) {
	w, f := a.welcome, a.memory[wire.MemoryRecord]
	each := trace.Size(w.Watch.Events)
	mem, err := unix.Mmap(int(f.Fd()), 0, each*len(w.Ranks), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the memory to record in (%d bytes for a rank): %w", each, err)
	}
	f.Close()
	clock := hostclock.New()
	out := make(map[int]*trace.Recorder, len(w.Ranks))
	for i, r := range w.Ranks {
		if out[r], err = trace.Attach(mem[i*each:(i+1)*each], r, clock); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// profile begins to sample where this process spends its CPU time, if that is
// wanted; the func returned ends it and leaves the profile with the agent.
func (a *agentLink) profile() (end func(), err error) {
	f := a.memory[wire.MemoryProfile]
	if f == nil {
		return func() {}, nil
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profiling: %w", err)
	}
	return func() {
		pprof.SetGoroutineLabels(context.Background())
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

// peak leaves with the agent what this process has held at most.
func (a *agentLink) peak() {
	if a.proc.Record == nil {
		return
	}
	peak := held()
	for _, r := range a.welcome.Ranks {
		a.proc.Record(r).Peak(peak)
	}
}

// held is the most that this process has held, in bytes; 0: nobody knows.
func held() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("VmHWM:"))
	words := bytes.Fields(rest[:min(len(rest), 32)])
	if len(words) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(words[0]), 10, 50)
	if err != nil || n < 0 {
		return 0
	}
	return n << 10
}

// label has the samples of the goroutines that the caller starts from now on, and
// of those that they start, carry their rank.
func (a *agentLink) label(rank int) {
	if a.memory[wire.MemoryProfile] != nil {
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("rank", strconv.Itoa(rank))))
	}
}
