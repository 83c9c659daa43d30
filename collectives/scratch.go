package collectives

import (
	"math/bits"
	"sync"
	"unsafe"
)

// Buffers that algorithms borrow are kept for the next collectives, in classes of
// powers of two, until the garbage collector wants them: to make a fresh one costs
// more than to send its contents.
var scratches [maxScratch + 1]sync.Pool

// maxScratch is the class of the longest buffers that are kept, 64 MiB.
const maxScratch = 26

// A loan is what one call has borrowed. Words are aligned for all elements.
type loan struct {
	taken []*[]uint64
}

// Scratch implements algo.Net.
func (l *loan) Scratch(n int) []byte {
	if n == 0 {
		return nil
	}
	class := max(bits.Len(uint(n-1)), 8)
	if class > maxScratch {
		words := make([]uint64, (n+7)/8)
		return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
	}
	words, _ := scratches[class].Get().(*[]uint64)
	if words == nil {
		fresh := make([]uint64, 1<<class/8)
		words = &fresh
	}
	l.taken = append(l.taken, words)
	return unsafe.Slice((*byte)(unsafe.Pointer(&(*words)[0])), n)
}

// giveBack ends the loan. Not after a failure: transfers may still be under way.
func (l *loan) giveBack() {
	for _, words := range l.taken {
		scratches[bits.Len(uint(8*len(*words)-1))].Put(words)
	}
	l.taken = nil
}
