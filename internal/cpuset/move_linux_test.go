package cpuset

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestPart: the thread goes elsewhere, and may use all its processors afterwards.
func TestPart(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	defer unix.SchedSetaffinity(0, &before)
	moved := 0
	for range 20 { // the kernel may move it back at once
		from := cpu(t)
		if Part() != (before.Count() > 1) {
			t.Fatalf("it says the opposite, with %d processors", before.Count())
		}
		if cpu(t) != from {
			moved++
		}
	}
	if unix.SchedGetaffinity(0, &after); after != before {
		t.Fatalf("its processors are %v, they were %v", after, before)
	}
	if before.Count() > 1 && moved == 0 {
		t.Fatal("it stayed where it was, 20 times")
	}

	one.Set(cpu(t))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	if Part() {
		t.Fatal("there is no other processor")
	}
	if unix.SchedGetaffinity(0, &after); after != one {
		t.Fatalf("its processor is %v, it was %v", after, one)
	}
}

func cpu(t *testing.T) int {
	var n uint32
	if _, _, no := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&n)), 0, 0); no != 0 {
		t.Fatal(no)
	}
	return int(n)
}
