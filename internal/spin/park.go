//go:build !race

package spin

import "unsafe"

// Park has the goroutine sleep until Ready is called with what commit got for it.
// commit runs on the scheduler's stack when the goroutine is asleep already: it
// leaves g where the waker will look, and must not block, allocate nor grow the
// stack. False: the goroutine goes on at once, and nobody may wake it.
func Park(commit func(g uintptr, arg unsafe.Pointer) bool, arg unsafe.Pointer) {
	gopark(commit, arg, chanReceive, 0, 1)
}

// Ready wakes goroutine g, once for each time that it sleeps. It runs next on the
// caller's processor, unless another one is idle and takes it.
func Ready(g uintptr) { goready(g, 1) }

// Pass lets the other goroutines of this processor run, and goes on. It takes half as
// long as runtime.Gosched, which also wakes an idle processor to take some of them.
func Pass() { goyield() }

// Processor is the number of the scheduler's processor (P) that this goroutine runs on.
func Processor() int {
	p := procPin()
	procUnpin()
	return p
}

// chanReceive is how stack traces show the sleep: the runtime's
// waitReasonChanReceive, in another release maybe another word.
const chanReceive = 19

// The runtime marks them as used that way by others (go.dev/issue/67401): their
// signatures stay. See docs/decisions/0012.
//
//go:linkname gopark runtime.gopark
func gopark(commit func(g uintptr, arg unsafe.Pointer) bool, arg unsafe.Pointer, reason, traceReason uint8, skip int)

//go:linkname goready runtime.goready
func goready(g uintptr, skip int)

//go:linkname goyield runtime.goyield
func goyield()

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
