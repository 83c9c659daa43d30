package agent

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/agent/procio"
	"gridrun/internal/engine"
	"gridrun/internal/hostclock"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

// A record is the memory in which one process's ranks note what they do, and
// the file for its profile. Both are the agent's too, so that nothing is lost
// when the process is killed.
type record struct {
	file    *os.File // of mem; nil: none
	mem     []byte   // so many bytes for each rank, in the order of its ranks
	each    int
	profile *os.File // nil: none
	began   int64    // the process is started, by the host's clock
}

// newRecord makes the memory for a process of so many ranks. Its pages come into
// being when they are written to.
func newRecord(w wire.Watch, ranks int) (r *record, err error) {
	r = new(record)
	if w.Record() {
		if w.Events < 0 || w.Events > trace.MaxEvents {
			return r, fmt.Errorf("%d events of a rank; the most is %d", w.Events, trace.MaxEvents)
		}
		r.each = trace.Size(w.Events)
		if r.file, err = memfd("gridrun-record", int64(ranks*r.each)); err != nil {
			return r, err
		}
		if r.mem, err = unix.Mmap(int(r.file.Fd()), 0, ranks*r.each, unix.PROT_READ, unix.MAP_SHARED); err != nil {
			return r, os.NewSyscallError("mmap", err)
		}
	}
	if w.Profile {
		r.profile, err = memfd("gridrun-profile", 0)
	}
	return r, err
}

// memfd makes a file of memory; one of a size keeps that size.
func memfd(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if size > 0 {
		if err = f.Truncate(size); err == nil {
			_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// offer leaves the descriptors in the control socket of a process that is about
// to start, behind its Welcome.
func (r *record) offer(c *procio.Control) error {
	for _, m := range []struct {
		what string
		file *os.File
	}{{wire.MemoryRecord, r.file}, {wire.MemoryProfile, r.profile}} {
		if m.file == nil {
			continue
		}
		data, err := wire.Marshal(&wire.Memory{What: m.what})
		if err != nil {
			return err
		}
		fd, err := unix.FcntlInt(m.file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		if err := c.Offer(procio.Packet{Data: data, FD: fd}); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) close() {
	if r == nil {
		return
	}
	if r.mem != nil {
		unix.Munmap(r.mem) // fails only on what was never mapped
		r.mem = nil
	}
	for _, f := range []*os.File{r.file, r.profile} {
		if f != nil {
			f.Close()
		}
	}
}

// sendRecord sends what p, which has ended, has recorded. It goes against the
// credit of output, in a goroutine of its own, so that it holds up nothing; the
// loop goes on until it is out.
func (a *agent) sendRecord(p *process) {
	if !a.start.Watch.Any() {
		return
	}
	end := &wire.Recorded{Proc: p.spec.Proc, End: true, Exit: p.exit}
	if p.record == nil { // it did not start
		a.link.send(end)
		return
	}
	end.Began, end.Ended = p.record.began, a.clock.Now()
	if p.exit.Code != 0 {
		end.Waits = a.blockedIn(p, time.Now())
	}
	a.telling++
	a.wg.Go(func() {
		a.recording.Lock() // one process after the other: the launcher holds one in memory
		defer a.recording.Unlock()
		p.record.pieces(p.spec, a.credit, a.link.send)
		p.record.close()
		a.link.send(end)
		a.post(func() { a.telling-- })
	})
}

// pieces cuts what a process has recorded into messages, as long as there will
// be credit.
func (r *record) pieces(spec *wire.ProcSpec, credit *procio.Credit, send func(wire.Message)) {
	cut := func(rank int, what string, data []byte) bool {
		for len(data) > 0 {
			if !credit.Wait() {
				return false
			}
			n := credit.Take(min(len(data), procio.PieceSize)) // 0: an output was faster
			if n > 0 {
				// A copy: the memory is gone when the message is encoded.
				send(&wire.Recorded{Proc: spec.Proc, Rank: rank, What: what, Data: append([]byte(nil), data[:n]...)})
			}
			data = data[n:]
		}
		return true
	}
	for i, rank := range spec.Ranks {
		if r.mem == nil {
			break
		}
		head, ring := trace.Used(r.mem[i*r.each : (i+1)*r.each])
		if !cut(rank, wire.RecordHead, head) || !cut(rank, wire.RecordRing, ring) {
			return
		}
	}
	if r.profile == nil || len(spec.Ranks) == 0 {
		return
	}
	buf := make([]byte, procio.PieceSize)
	for at := int64(0); ; {
		n, _ := r.profile.ReadAt(buf, at) // memory: it ends, it does not fail
		if n == 0 || !cut(spec.Ranks[0], wire.RecordProfile, buf[:n]) {
			return
		}
		at += int64(n)
	}
}

// blockedIn is what the ranks of p are, or were when it died, blocked in.
func (a *agent) blockedIn(p *process, now time.Time) (waits []wire.Wait) {
	for _, rank := range p.spec.Ranks {
		for _, w := range a.segment.Waits(rank).Read() {
			waits = append(waits, wire.Wait{
				Rank: rank, Op: engine.Op(w.Op).String(), Peer: int(w.Peer), Tag: w.Tag,
				Group: engine.Shown(w.Group), Seq: w.Seq, Since: int64(now.Sub(w.Since)),
				Root: int(w.Root), Count: w.Count, Elem: w.Elem, Members: int(w.Members),
			})
		}
	}
	return waits
}

// time tells the launcher this host's time.
func (a *agent) time(m *wire.Clock) *wire.Clock {
	return &wire.Clock{Sent: m.Sent, Here: a.clock.Now(), Boot: hostclock.BootID()}
}
