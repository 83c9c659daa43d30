package kernel

import "unsafe"

// fold is dst = dst op src with the kernel lane*ops+op, over a multiple of 64
// bytes, not 0. It is assembly, which Go does not interrupt.
//
//go:noescape
func fold(kernel int, dst, src unsafe.Pointer, bytes int)

const (
	width = 64        // bytes a kernel takes at a time
	least = 2 * width // where vectors begin to be faster
	block = 64 << 10  // bytes in one call, some microseconds: the collector may have to wait for it
)

// vector folds as many elements as it can, from the first, and tells how many.
func vector[T any](l lane, o op, dst, src []T) (done int) {
	return vectorBytes(l, o, Raw(dst), Raw(src)) / int(unsafe.Sizeof(src[0]))
}

func vectorBytes(l lane, o op, dst, src []byte) (done int) {
	if l == none || !avx2() {
		return 0
	}
	k, all := int(l)*ops+int(o), len(src)&^(width-1)
	dst, src = dst[:all], src[:all]
	for len(src) > 0 {
		n := min(len(src), block)
		fold(k, unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), n)
		dst, src = dst[n:], src[n:]
	}
	return all
}
