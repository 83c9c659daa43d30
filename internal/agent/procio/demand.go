package procio

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/proclook"
)

// Input that is waiting at the launcher is fetched when a process is blocked in
// reading it, and not before: what no rank reads stays with whoever started
// gridrun (a terminal's type-ahead, the rest of a `while read` loop). A pipe
// does not tell whether somebody reads it, so the kernel is asked what each thread of the
// process, and of what it has started, is blocked in: /proc/PID/task/TID/syscall
// has the number and arguments of the call.

// maxPolled bounds the descriptors looked at in one call.
const maxPolled = 1024

// awaited says whether a process among pids is blocked until something comes
// out of the pipe with this inode number. Where that cannot be known (the
// process belongs to somebody else, the kernel does not tell) it is true.
func awaited(pids []int, inode uint64) bool {
	link := fmt.Sprintf("pipe:[%d]", inode)
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		tasks, err := os.ReadDir(dir + "/task")
		if err != nil {
			continue // it has ended
		}
		for _, task := range tasks {
			text, err := os.ReadFile(dir + "/task/" + task.Name() + "/syscall")
			if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOSYS) {
				return true
			}
			if err != nil {
				if _, gone := os.Stat(dir + "/task/" + task.Name()); gone == nil && errors.Is(err, fs.ErrNotExist) {
					return true // a kernel without this file
				}
				continue
			}
			if call, ok := parseCall(text); ok && call.awaits(dir, link) {
				return true
			}
		}
	}
	return false
}

// A blockedCall is a system call that a thread is blocked in.
type blockedCall struct {
	number uint64
	args   [6]uint64
}

// parseCall reads "0 0x3 0x7f5df8c53000 ..."; a thread that runs, or is blocked
// in no call, has none.
func parseCall(text []byte) (c blockedCall, ok bool) {
	fields := strings.Fields(string(text))
	if len(fields) < 7 {
		return c, false
	}
	var err error
	if c.number, err = strconv.ParseUint(fields[0], 10, 32); err != nil {
		return c, false
	}
	for i := range c.args {
		if c.args[i], err = strconv.ParseUint(strings.TrimPrefix(fields[i+1], "0x"), 16, 64); err != nil {
			return c, false
		}
	}
	return c, true
}

// awaits says whether the call, of the process of this /proc directory, waits
// for the pipe that link names.
func (c blockedCall) awaits(dir, link string) bool {
	is := func(fd uint64) bool {
		target, err := os.Readlink(dir + "/fd/" + strconv.FormatUint(fd, 10))
		return err == nil && target == link
	}
	switch callKind(c.number) {
	case callRead:
		return is(c.args[0])
	case callSend:
		return is(c.args[1])
	case callPoll:
		return c.polls(dir, is)
	case callSelect:
		return c.selects(dir, is)
	case callEpoll:
		return epolls(dir, c.args[0], is)
	case callRing: // what it waits for is in the ring
		return is(0)
	}
	return false
}

type kindOfCall int

const (
	callOther  kindOfCall = iota
	callRead              // fd is the first argument
	callSend              // fd is the second
	callPoll              // struct pollfd *, number
	callSelect            // number, fd_set *
	callEpoll             // the epoll descriptor is the first argument
	callRing
)

func callKind(number uint64) kindOfCall {
	switch number {
	case unix.SYS_READ, unix.SYS_READV, unix.SYS_PREADV2, unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_COPY_FILE_RANGE:
		return callRead
	case unix.SYS_SENDFILE:
		return callSend
	case unix.SYS_PPOLL:
		return callPoll
	case unix.SYS_PSELECT6:
		return callSelect
	case unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2:
		return callEpoll
	case unix.SYS_IO_URING_ENTER:
		return callRing
	}
	return oldCall(number)
}

// polls looks through the descriptors of a poll: int fd, short events, short revents.
func (c blockedCall) polls(dir string, is func(uint64) bool) bool {
	list := memory(dir, c.args[0], 8*min(c.args[1], maxPolled))
	for ; len(list) >= 8; list = list[8:] {
		fd := int32(nativeUint32(list))
		if fd >= 0 && list[4]&unix.POLLIN != 0 && is(uint64(fd)) {
			return true
		}
	}
	return false
}

// selects looks through the bits of a select's read set.
func (c blockedCall) selects(dir string, is func(uint64) bool) bool {
	n := min(c.args[0], maxPolled)
	set := memory(dir, c.args[1], (n+7)/8)
	for fd := range uint64(len(set)) * 8 {
		if set[fd/8]&(1<<(fd%8)) != 0 && is(fd) {
			return true
		}
	}
	return false
}

// epolls looks through what an epoll descriptor watches: lines "tfd: 0 events: 19 ...".
func epolls(dir string, fd uint64, is func(uint64) bool) bool {
	text, err := os.ReadFile(dir + "/fdinfo/" + strconv.FormatUint(fd, 10))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 4 || f[0] != "tfd:" {
			continue
		}
		target, err1 := strconv.ParseUint(f[1], 10, 32)
		events, err2 := strconv.ParseUint(f[3], 16, 64)
		if err1 == nil && err2 == nil && events&unix.EPOLLIN != 0 && is(target) {
			return true
		}
	}
	return false
}

// memory reads size bytes at address of a process; nothing when it cannot.
func memory(dir string, address, size uint64) []byte {
	file, err := os.Open(dir + "/mem")
	if err != nil || address == 0 {
		return nil
	}
	defer file.Close()
	b := make([]byte, size)
	n, _ := file.ReadAt(b, int64(address)) // what could be read counts
	return b[:n]
}

func nativeUint32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// How often a process is asked whether it reads, while input waits for it.
const (
	firstLook = time.Millisecond
	lastLook  = 250 * time.Millisecond
	// everyLook of the looks goes over all that the agent has started: a process
	// that was left by its parent is nobody's descendant any more.
	everyLook = 8
)

// readers are the processes that may read the input of process pid.
func readers(pid, look int) []int {
	root, pids := pid, []int{pid}
	if look%everyLook == everyLook-1 {
		root, pids = os.Getpid(), nil
	}
	for _, s := range proclook.Below(proclook.Processes(), root) {
		if !s.Ended() {
			pids = append(pids, s.Pid)
		}
	}
	return pids
}
