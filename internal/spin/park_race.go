//go:build race

package spin

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// The race detector cannot follow what runs on the scheduler's stack: here Park is
// a channel, and g its number.

var (
	sleepers sync.Map // of channels, by number
	parked   atomic.Uintptr
)

func Park(commit func(g uintptr, arg unsafe.Pointer) bool, arg unsafe.Pointer) {
	g, woken := parked.Add(1)+1, make(chan struct{})
	sleepers.Store(g, woken)
	if commit(g, arg) {
		<-woken
	} else {
		sleepers.Delete(g)
	}
}

func Ready(g uintptr) {
	woken, _ := sleepers.LoadAndDelete(g)
	close(woken.(chan struct{}))
}

func Pass() { runtime.Gosched() }

func Processor() int { return 0 }
