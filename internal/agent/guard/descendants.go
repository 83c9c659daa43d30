package guard

import (
	"os"
	"syscall"
	"time"

	"gridrun/internal/proclook"
)

// KillDescendants sends SIGKILL to every process below this one. It returns how
// many took it and how many belong to somebody else (setuid programs).
func KillDescendants() (killed, refused int) {
	for _, s := range proclook.Below(proclook.Processes(), os.Getpid()) {
		if s.Ended() {
			continue
		}
		switch syscall.Kill(s.Pid, syscall.SIGKILL) {
		case nil:
			killed++
		case syscall.EPERM:
			refused++
		}
	}
	return killed, refused
}

// EndDescendants kills and reaps until no descendant is left and settled is
// closed, which says that none can be added. Every orphan below a subreaper
// becomes its child, so "no child" means that the whole tree is gone, which after
// a job that ended well shows at once, without a look at the process table.
// Processes that may not be killed are given up.
func EndDescendants(settled <-chan struct{}) {
	pause := time.Millisecond
	for hopeless := 0; hopeless < 20; {
		if !reapAll() {
			killed, refused := KillDescendants()
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
