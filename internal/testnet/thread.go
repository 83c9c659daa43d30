//go:build linux

package testnet

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on an operating system thread of its own, which ends
// afterwards. What fn does to the namespaces of its thread so stays without
// effect on the rest of the process.
//
// The process's first thread would do harm: it never ends, and /proc/PID shows
// its namespaces. A goroutine that finds itself there holds it until another
// thread is done.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- onThread(fn)
			runtime.UnlockOSThread()
			return
		}
		done <- fn() // still locked: the thread ends with the goroutine
	}()
	return <-done
}

// enter moves the calling thread, which must be one of onThread, into the
// named namespaces ("net", "mnt", "uts") of process pid.
func enter(pid int, names ...string) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("testnet: leave the process's file system view: %w", err)
	}
	// All are opened before the first is entered: /proc is another one then.
	fds := make([]int, 0, len(names))
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, name := range names {
		path := fmt.Sprintf("/proc/%d/ns/%s", pid, name)
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("testnet: open %s: %w", path, err)
		}
		fds = append(fds, fd)
	}
	for i, fd := range fds {
		if err := unix.Setns(fd, 0); err != nil {
			return fmt.Errorf("testnet: enter namespace %s of process %d: %w", names[i], pid, err)
		}
	}
	return nil
}
