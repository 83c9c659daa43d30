package procio

import "golang.org/x/sys/unix"

// oldCall knows the calls that only older architectures have.
func oldCall(number uint64) kindOfCall {
	switch number {
	case unix.SYS_POLL:
		return callPoll
	case unix.SYS_SELECT:
		return callSelect
	case unix.SYS_EPOLL_WAIT:
		return callEpoll
	}
	return callOther
}
