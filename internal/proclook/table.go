package proclook

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// A Process is a line of the process table.
type Process struct {
	Pid, Parent int
	State       byte          // R, S, D, T, t, Z, ...
	CPU         time.Duration // user and system, children that it has waited for included
}

// Ended says that only its parent's wait keeps the process in the table.
func (p Process) Ended() bool { return p.State == 'Z' || p.State == 'X' }

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture.
const tick = 10 * time.Millisecond

// Places in /proc/PID/stat after the name, from 0.
const (
	statState  = 0
	statParent = 1
	statUtime  = 11
	statCstime = 14
)

// ParseStat reads the text of /proc/PID/stat: "pid (name) state ppid ...". The
// name may hold anything, blanks and parentheses too.
func ParseStat(b []byte) (p Process, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return p, false
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:open])))
	rest := bytes.Fields(b[end+1:])
	if err != nil || len(rest) <= statParent || len(rest[statState]) != 1 {
		return p, false
	}
	parent, err := strconv.Atoi(string(rest[statParent]))
	if err != nil {
		return p, false
	}
	p = Process{Pid: pid, Parent: parent, State: rest[statState][0]}
	if len(rest) > statCstime {
		for _, f := range rest[statUtime : statCstime+1] {
			n, err := strconv.ParseInt(string(f), 10, 48)
			if err != nil || n < 0 {
				return p, false
			}
			p.CPU += time.Duration(n) * tick
		}
	}
	return p, true
}

// Processes reads the host's process table; processes that end meanwhile are left out.
func Processes() []Process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	all := make([]Process, 0, len(names))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		b, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if p, ok := ParseStat(b); ok {
			all = append(all, p)
		}
	}
	return all
}

// Below picks from all processes those below root, nearest first.
func Below(all []Process, root int) []Process {
	children := make(map[int][]Process, len(all))
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p)
	}
	found := children[root]
	delete(children, root)
	for i := 0; i < len(found); i++ {
		pid := found[i].Pid
		found = append(found, children[pid]...)
		delete(children, pid) // a table read while processes come and go may hold a cycle
	}
	return found
}

// Tree is root, if it is in the table, and all below it.
func Tree(all []Process, root int) []Process {
	var tree []Process
	for _, p := range all {
		if p.Pid == root {
			tree = append(tree, p)
			break
		}
	}
	return append(tree, Below(all, root)...)
}

// Memory is a process's proportional share of memory in bytes (pages that n
// processes map count 1/n), or what is resident where the kernel does not tell.
func Memory(pid int) int64 {
	dir := "/proc/" + strconv.Itoa(pid)
	if b, err := os.ReadFile(dir + "/smaps_rollup"); err == nil {
		for line := range bytes.Lines(b) {
			if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
				return kilobytes(rest)
			}
		}
	}
	b, err := os.ReadFile(dir + "/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			return kilobytes(rest)
		}
	}
	return 0
}

// kilobytes reads "  123 kB\n" as bytes.
func kilobytes(b []byte) int64 {
	f := bytes.Fields(b)
	if len(f) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(f[0]), 10, 50)
	if err != nil || n < 0 {
		return 0
	}
	return n << 10
}
