// Package kernel has the loops of reductions: dst = dst op src, element by element,
// for the operations and types that package collectives offers.
//
// Go's compiler makes code that takes an element at a time, which for elements of 1
// to 4 bytes is a tenth to a half of what memory can give. So each loop is there
// twice. One in Go (loops.go, words.go) defines the result and runs everywhere. One
// in vector instructions (fold_amd64.s) gives the same bits; only which NaN comes
// out of two is left open, as Go leaves it.
//
//  1. A call with fewer than 128 bytes goes to the loop in Go.
//  2. Otherwise the element's type is mapped to a lane, whatever the type is
//     called, and lane and operation number one of about 50 kernels (lanes.go).
//  3. When the first such call comes the processor is asked for AVX2
//     (processor_amd64.go). Without it, and on other processors than amd64, the
//     loop in Go does the rest.
//  4. The kernel folds as many whole groups of 64 bytes as there are, at most 64
//     KiB a call: Go cannot interrupt assembly (vector_amd64.go).
//  5. The loop in Go folds what is left, less than 64 bytes.
//
// Nothing has to be aligned. Where two instructions give one result, in AVX2
// products of bytes and of words of 64 bits, the least of words and of floating
// point numbers, complex products and pairs with indices, the assembly says how.
//
// Tests compare both loops with the definition for one element, at all lengths to
// 300, all alignments, with the special values of all types. Kernels start no
// goroutines and allocate nothing.
package kernel
