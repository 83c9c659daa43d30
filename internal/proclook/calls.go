package proclook

import "golang.org/x/sys/unix"

// A call is a system call that a thread can stay in.
type call struct {
	name  string
	about about
	idle  bool // what threads sit in that have nothing to do
}

type about int

const (
	nothing      about = iota
	byDescriptor       // the first argument
	byPath             // the second argument, a path; the first is a directory
)

// calls are those worth a name, by their number on this architecture.
var calls = map[int]call{
	unix.SYS_READ:            {"read", byDescriptor, false},
	unix.SYS_READV:           {"readv", byDescriptor, false},
	unix.SYS_PREAD64:         {"pread64", byDescriptor, false},
	unix.SYS_PREADV:          {"preadv", byDescriptor, false},
	unix.SYS_WRITE:           {"write", byDescriptor, false},
	unix.SYS_WRITEV:          {"writev", byDescriptor, false},
	unix.SYS_PWRITE64:        {"pwrite64", byDescriptor, false},
	unix.SYS_PWRITEV:         {"pwritev", byDescriptor, false},
	unix.SYS_FSYNC:           {"fsync", byDescriptor, false},
	unix.SYS_FDATASYNC:       {"fdatasync", byDescriptor, false},
	unix.SYS_SYNC_FILE_RANGE: {"sync_file_range", byDescriptor, false},
	unix.SYS_FTRUNCATE:       {"ftruncate", byDescriptor, false},
	unix.SYS_FALLOCATE:       {"fallocate", byDescriptor, false},
	unix.SYS_CLOSE:           {"close", byDescriptor, false},
	unix.SYS_GETDENTS64:      {"getdents64", byDescriptor, false},
	unix.SYS_FLOCK:           {"flock", byDescriptor, false},
	unix.SYS_FCNTL:           {"fcntl", byDescriptor, false},
	unix.SYS_FSTAT:           {"fstat", byDescriptor, false},
	unix.SYS_FSTATFS:         {"fstatfs", byDescriptor, false},
	unix.SYS_IOCTL:           {"ioctl", byDescriptor, false},
	unix.SYS_SENDFILE:        {"sendfile", byDescriptor, false},
	unix.SYS_SPLICE:          {"splice", byDescriptor, false},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", byDescriptor, false},
	unix.SYS_OPENAT:          {"openat", byPath, false},
	unix.SYS_UNLINKAT:        {"unlinkat", byPath, false},
	unix.SYS_MKDIRAT:         {"mkdirat", byPath, false},
	unix.SYS_STATX:           {"statx", byPath, false},
	unix.SYS_FACCESSAT:       {"faccessat", byPath, false},
	unix.SYS_READLINKAT:      {"readlinkat", byPath, false},
	unix.SYS_STATFS:          {"statfs", nothing, false},
	unix.SYS_SYNC:            {"sync", nothing, false},
	unix.SYS_CONNECT:         {"connect", byDescriptor, false},
	unix.SYS_ACCEPT:          {"accept", byDescriptor, false},
	unix.SYS_ACCEPT4:         {"accept4", byDescriptor, false},
	unix.SYS_RECVFROM:        {"recvfrom", byDescriptor, false},
	unix.SYS_RECVMSG:         {"recvmsg", byDescriptor, false},
	unix.SYS_SENDTO:          {"sendto", byDescriptor, false},
	unix.SYS_SENDMSG:         {"sendmsg", byDescriptor, false},
	unix.SYS_MSGRCV:          {"msgrcv", nothing, false},
	unix.SYS_MSGSND:          {"msgsnd", nothing, false},
	unix.SYS_SEMTIMEDOP:      {"semtimedop", nothing, false},

	unix.SYS_FUTEX:           {"futex", nothing, true},
	unix.SYS_NANOSLEEP:       {"nanosleep", nothing, true},
	unix.SYS_CLOCK_NANOSLEEP: {"clock_nanosleep", nothing, true},
	unix.SYS_EPOLL_PWAIT:     {"epoll_pwait", nothing, true},
	unix.SYS_PPOLL:           {"ppoll", nothing, true},
	unix.SYS_PSELECT6:        {"pselect6", nothing, true},
	unix.SYS_WAIT4:           {"wait4", nothing, true},
	unix.SYS_WAITID:          {"waitid", nothing, true},
	unix.SYS_RT_SIGSUSPEND:   {"rt_sigsuspend", nothing, true},
	unix.SYS_RT_SIGTIMEDWAIT: {"rt_sigtimedwait", nothing, true},
}
