package agent

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// A procStat is what /proc/PID/stat tells of a process's place in the tree.
type procStat struct {
	pid, ppid int
	zombie    bool
}

// parseStat reads the text of /proc/PID/stat: "pid (name) state ppid ...". The
// name may hold anything, blanks and parentheses too.
func parseStat(b []byte) (s procStat, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return s, false
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:open])))
	rest := bytes.Fields(b[end+1:])
	if err != nil || len(rest) < 2 || len(rest[0]) != 1 {
		return s, false
	}
	ppid, err := strconv.Atoi(string(rest[1]))
	if err != nil {
		return s, false
	}
	return procStat{pid: pid, ppid: ppid, zombie: rest[0][0] == 'Z' || rest[0][0] == 'X'}, true
}

// descendants picks from all processes those below root, nearest first.
func descendants(all []procStat, root int) []procStat {
	children := make(map[int][]procStat, len(all))
	for _, s := range all {
		children[s.ppid] = append(children[s.ppid], s)
	}
	found := children[root]
	delete(children, root)
	for i := 0; i < len(found); i++ {
		pid := found[i].pid
		found = append(found, children[pid]...)
		delete(children, pid) // a table read while processes come and go may hold a cycle
	}
	return found
}

// processes reads the host's process table; processes that end meanwhile are left out.
func processes() []procStat {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	all := make([]procStat, 0, len(names))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		b, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if s, ok := parseStat(b); ok {
			all = append(all, s)
		}
	}
	return all
}

// killDescendants sends SIGKILL to every process below this one. It returns how
// many took it and how many belong to somebody else (setuid programs).
func killDescendants() (killed, refused int) {
	for _, s := range descendants(processes(), os.Getpid()) {
		if s.zombie {
			continue
		}
		switch syscall.Kill(s.pid, syscall.SIGKILL) {
		case nil:
			killed++
		case syscall.EPERM:
			refused++
		}
	}
	return killed, refused
}

// endDescendants kills and reaps until no descendant is left and settled is
// closed, which says that none can be added. Every orphan below a subreaper
// becomes its child, so "no child" means that the whole tree is gone, which after
// a job that ended well shows at once, without a look at the process table.
// Processes that may not be killed are given up.
func endDescendants(settled <-chan struct{}) {
	pause := time.Millisecond
	for hopeless := 0; hopeless < 20; {
		if !reapAll() {
			killed, refused := killDescendants()
			if killed == 0 && refused > 0 {
				hopeless++
			} else {
				hopeless = 0
			}
		}
		if reapAll() {
			select {
			case <-settled:
				if reapAll() {
					return
				}
			case <-time.After(pause):
			}
		} else {
			time.Sleep(pause)
		}
		pause = min(2*pause, 10*time.Millisecond)
	}
}

// noneAdded is settled from the beginning.
var noneAdded = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// reapAll reaps every child that has ended; none says that there is none left.
func reapAll() (none bool) {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return err == syscall.ECHILD
		case pid == 0:
			return false
		}
	}
}
