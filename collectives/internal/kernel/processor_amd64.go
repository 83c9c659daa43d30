package kernel

import "sync/atomic"

func cpuid(leaf uint32) (ax, bx, cx uint32)

func xgetbv() (ax uint32)

// What is known of this processor.
const (
	unknown int32 = iota
	hasAVX2
	lacksAVX2
)

var processor atomic.Int32

// avx2 tells whether processor and system have AVX2. It asks when it is called
// first, which takes some microseconds on a virtual machine: package cpu of
// golang.org/x/sys takes 50 when every program starts, also of ranks that fold
// nothing.
func avx2() bool {
	known := processor.Load()
	if known == unknown {
		known = lacksAVX2
		if detect() {
			known = hasAVX2
		}
		processor.Store(known)
	}
	return known == hasAVX2
}

// detect asks the processor: Intel's manual, volume 1, section 14.7.1.
func detect() bool {
	const (
		osxsave, avx = 1 << 27, 1 << 28 // leaf 1, CX
		saved        = 1<<1 | 1<<2      // the system keeps registers X and Y
		avx2         = 1 << 5           // leaf 7, BX
	)
	if leaves, _, _ := cpuid(0); leaves < 7 {
		return false
	}
	if _, _, cx := cpuid(1); cx&osxsave == 0 || cx&avx == 0 || xgetbv()&saved != saved {
		return false
	}
	_, bx, _ := cpuid(7)
	return bx&avx2 != 0
}
