package proclook

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A thread is what one thread was doing at one moment.
type thread struct {
	state byte
	call  call
	file  string
	alone bool // the only thread of a process without children
}

// A Sight is what the threads of a tree of processes were doing at one moment.
type Sight struct {
	at      time.Time
	cpu     time.Duration
	threads map[int]thread
}

// A State sums two Sights up.
type State struct {
	Letter byte   // R computes, D waits for a device, S sleeps, T is stopped, t is traced
	Load   int    // percent of a CPU between the two
	Call   string // the system call a thread was in both times, if that says something
	File   string // which that call is about
}

// Look looks at the threads of a tree; see [Tree].
func Look(tree []Process) Sight {
	s := Sight{at: time.Now(), threads: map[int]thread{}}
	parents := map[int]bool{}
	for _, p := range tree {
		parents[p.Parent] = true
	}
	for _, p := range tree {
		s.cpu += p.CPU
		if p.Ended() {
			continue
		}
		dir := "/proc/" + strconv.Itoa(p.Pid)
		tasks, _ := os.ReadDir(dir + "/task")
		for _, t := range tasks {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			stat, err := os.ReadFile(filepath.Join(dir, "task", t.Name(), "stat"))
			if err != nil {
				continue
			}
			line, ok := ParseStat(stat)
			if !ok {
				continue
			}
			th := thread{state: line.State, alone: len(tasks) == 1 && !parents[p.Pid]}
			// Unreadable where the kernel, or a security module, does not allow it.
			text, _ := os.ReadFile(filepath.Join(dir, "task", t.Name(), "syscall"))
			var args [2]uint64
			if th.call, args, ok = parseSyscall(text); ok && th.call.name != "" {
				th.file = fileOf(p.Pid, th.call, args)
			}
			s.threads[id] = th
		}
	}
	return s
}

// Since sums up what has been going on since an earlier sight of the same tree.
func (s Sight) Since(before Sight) State {
	out := State{Letter: 'S'}
	if d := s.at.Sub(before.at); d > 0 {
		out.Load = int(100 * max(0, s.cpu-before.cpu) / d)
	}
	letters := map[byte]int{}
	rank := 0 // how much what we have says
	for id, now := range s.threads {
		was, ok := before.threads[id]
		if !ok || was.state != now.state {
			letters['S']++
			continue
		}
		letters[now.state]++
		if now.call.name == "" || was.call != now.call || was.file != now.file {
			continue
		}
		says := 1
		switch {
		case now.call.idle && !now.alone:
			continue // one of many threads that have nothing to do
		case now.call.idle:
		case now.file != "":
			says = 3
		default:
			says = 2
		}
		if now.state == 'D' {
			says += 3
		}
		if says > rank || says == rank && now.call.name < out.Call {
			rank, out.Call, out.File = says, now.call.name, now.file
		}
	}
	switch {
	case len(s.threads) == 0:
		out.Letter = 'Z'
	case letters['R'] > 0 || out.Load >= busyLoad:
		out.Letter = 'R'
	case letters['D'] > 0:
		out.Letter = 'D'
	case letters['T'] > 0:
		out.Letter = 'T'
	case letters['t'] > 0:
		out.Letter = 't'
	}
	return out
}

// busyLoad is the percentage of a CPU from which a process computes, whatever
// its threads happened to do when they were looked at.
const busyLoad = 20

// parseSyscall reads /proc/PID/task/TID/syscall: "running", "-1 sp pc" (blocked,
// but in no call), or "number arg0 ... arg5 sp pc", in hexadecimal but the number.
func parseSyscall(b []byte) (c call, args [2]uint64, ok bool) {
	f := bytes.Fields(b)
	if len(f) < 3 {
		return c, args, false
	}
	number, err := strconv.Atoi(string(f[0]))
	if err != nil || number < 0 {
		return c, args, false
	}
	for i := range args {
		if args[i], err = strconv.ParseUint(string(bytes.TrimPrefix(f[1+i], []byte("0x"))), 16, 64); err != nil {
			return c, args, false
		}
	}
	return calls[number], args, true
}

// fileOf is the file that a call is about.
func fileOf(pid int, c call, args [2]uint64) string {
	switch c.about {
	case byDescriptor:
		name, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.FormatUint(args[0], 10))
		if err != nil {
			return ""
		}
		return name
	case byPath:
		return text(pid, args[1])
	}
	return ""
}

// text reads a path at an address of a process's memory.
func text(pid int, address uint64) string {
	mem, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mem")
	if err != nil {
		return ""
	}
	defer mem.Close()
	// Up to the end of the page, then the next: the second may not be there.
	const page = 4096
	var path []byte
	for len(path) < page {
		buf := make([]byte, page-address%page)
		n, _ := mem.ReadAt(buf, int64(address))
		end := bytes.IndexByte(buf[:n], 0)
		if end >= 0 {
			return string(append(path, buf[:end]...))
		}
		if n < len(buf) {
			return ""
		}
		path = append(path, buf...)
		address += uint64(n)
	}
	return ""
}
