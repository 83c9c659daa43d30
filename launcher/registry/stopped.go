package registry

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"gridrun/internal/proclook"
	"gridrun/internal/rundir"
)

// stopLook is how often a job that has not answered yet is looked at. One that is
// stopped at two looks does not answer: a moment's stop is not waited for in vain.
const stopLook = 400 * time.Millisecond

// A stoppedError is why a job does not answer: its gridrun is stopped.
type stoppedError struct{ pid int }

func (e *stoppedError) Error() string {
	return fmt.Sprintf("its gridrun (pid %d) is stopped, by Ctrl-Z or SIGSTOP; `fg` in its shell, or `kill -CONT %d`, lets it go on", e.pid, e.pid)
}

// watchStopped ends ctx when the process that c leads to is stopped, and stays so.
func watchStopped(ctx context.Context, cancel context.CancelCauseFunc, c net.Conn) {
	unix, is := c.(*net.UnixConn)
	if !is {
		return
	}
	_, pid, ok := rundir.Peer(unix)
	if !ok || pid == 0 {
		return
	}
	look := time.NewTicker(stopLook)
	defer look.Stop()
	for before := false; ; {
		now := stopped(pid)
		if now && before {
			cancel(&stoppedError{pid})
			return
		}
		before = now
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// stopped says that a signal has stopped the process.
func stopped(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	p, ok := proclook.ParseStat(b)
	return ok && p.State == 'T'
}

// commandLine is what the process was started with; "" where that is not seen.
func commandLine(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '})), "?")
}
