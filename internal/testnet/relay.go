//go:build linux

package testnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// quality is what a relay does to each frame.
type quality struct {
	delay time.Duration
	loss  float64 // share of the frames
}

// relay carries Ethernet frames between two TAP devices, both ways, late.
type relay struct {
	now  atomic.Pointer[quality]
	ends [2]*os.File
	done chan struct{}
	all  sync.WaitGroup
	free sync.Pool // of *[frameSize]byte
}

// frame is one Ethernet frame on its way.
type frame struct {
	due time.Time
	buf *[frameSize]byte
	n   int // bytes of buf
}

const (
	frameSize = 2048  // an Ethernet frame of MTU 1500 has 1514 bytes, with a tag 1518
	queued    = 16384 // frames a direction; more are lost: 200 Mbit/s for a second
)

// newRelay makes the two devices in the network namespace of process pid. They
// vanish with the relay.
func newRelay(pid int, near, far string, q quality) (*relay, error) {
	r := &relay{done: make(chan struct{}), free: sync.Pool{New: func() any { return new([frameSize]byte) }}}
	r.now.Store(&q)
	err := onThread(func() error {
		if err := enter(pid, "net"); err != nil {
			return err
		}
		for i, name := range []string{near, far} {
			var err error
			if r.ends[i], err = openTAP(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, end := range r.ends {
			if end != nil {
				end.Close()
			}
		}
		return nil, err
	}
	r.carry(r.ends[0], r.ends[1])
	r.carry(r.ends[1], r.ends[0])
	return r, nil
}

// openTAP makes a device of the calling thread's network namespace whose frames
// are read from and written to the returned file.
func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("testnet: open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("testnet: make the TAP device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (r *relay) quality() quality { return *r.now.Load() }
func (r *relay) set(q quality)    { r.now.Store(&q) }

// carry starts the two goroutines of one direction: one reads frames and stamps
// them with the time they are due, the other waits for it and writes.
func (r *relay) carry(from, to *os.File) {
	queue := make(chan frame, queued)
	r.all.Go(func() {
		defer close(queue)
		for {
			buf := r.free.Get().(*[frameSize]byte)
			n, err := from.Read(buf[:])
			if errors.Is(err, os.ErrClosed) {
				return
			}
			q := r.quality()
			if err != nil || rand.Float64() < q.loss {
				continue
			}
			select {
			case queue <- frame{time.Now().Add(q.delay), buf, n}:
			default: // full: lost, as at a router
			}
		}
	})
	r.all.Go(func() {
		for f := range queue {
			if r.sleepUntil(f.due) {
				to.Write(f.buf[:f.n]) // a device that is down loses the frame
			}
			r.free.Put(f.buf)
		}
	})
}

// sleepUntil reports false if the relay was closed meanwhile. The runtime's
// timers may be a millisecond late, so the kernel does the last part.
func (r *relay) sleepUntil(due time.Time) bool {
	const last = 2 * time.Millisecond
	if wait := time.Until(due) - last; wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.done:
			return false
		}
	}
	for wait := time.Until(due); wait > 0; wait = time.Until(due) { // signals wake it early
		ts := unix.NsecToTimespec(wait.Nanoseconds())
		unix.Nanosleep(&ts, nil)
	}
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

func (r *relay) close() {
	close(r.done)
	for _, end := range r.ends {
		end.Close()
	}
	r.all.Wait()
}
