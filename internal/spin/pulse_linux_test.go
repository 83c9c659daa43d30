package spin

import (
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestBlockWhileOthersPoll: the call is repeated as long as turns changes. Here the
// call is one that returns at once, 0 as if its time were over, and reads the time
// that a timer has left into turns.
func TestBlockWhileOthersPoll(t *testing.T) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, attention := range []uint64{0, 1} {
		alarm := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(5 * time.Millisecond))}
		if err := unix.TimerfdSettime(fd, 0, &alarm, nil); err != nil {
			t.Fatal(err)
		}
		var left unix.ItimerSpec
		if err := unix.TimerfdGettime(fd, &left); err != nil {
			t.Fatal(err)
		}
		turns := (*uint64)(unsafe.Pointer(&left.Value.Nsec))
		r, no := BlockWhile(NewPulse(turns, &attention, time.Hour), 0, unix.SYS_TIMERFD_GETTIME,
			uintptr(fd), uintptr(unsafe.Pointer(&left)), 0, 0, 0)
		if r != 0 || no != 0 {
			t.Fatalf("it returned %d, %v", r, no)
		}
		if left.Value != (unix.Timespec{}) {
			t.Errorf("attention %d: it ended %v before the timer did", attention, left.Value)
		}
	}
}

// TestBlockWhileEnds: of itself where nobody polls, and when the call does.
func TestBlockWhileEnds(t *testing.T) {
	var word uint32
	still, attention := new(uint64), new(uint64)
	block := func(tick time.Duration, old uint32) unix.Errno {
		_, no := BlockWhile(NewPulse(still, attention, tick), unix.ETIMEDOUT, unix.SYS_FUTEX,
			uintptr(unsafe.Pointer(&word)), 0, uintptr(old), 0, 0)
		return no
	}
	if no := block(time.Millisecond, 0); no != unix.ETIMEDOUT {
		t.Errorf("where nobody polls it ended with %v, want %v", no, unix.ETIMEDOUT)
	}
	if no := block(time.Hour, 1); no != unix.EAGAIN {
		t.Errorf("a word that differs: %v, want %v", no, unix.EAGAIN)
	}
	over := make(chan unix.Errno)
	go func() { over <- block(time.Hour, 0) }()
	atomic.StoreUint32(&word, 1)
	for {
		unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 1, 1, 0, 0, 0)
		select {
		case no := <-over:
			if no != 0 && no != unix.EAGAIN {
				t.Errorf("it was woken, and ended with %v", no)
			}
			return
		default:
			Yield()
		}
	}
}
