package stream

import "unsafe"

const stores = true

// store copies a multiple of 64 bytes, not 0, to a multiple of 64, past the cache.
//
//go:noescape
func store(dst, src unsafe.Pointer, bytes int)

const (
	line  = 64
	block = 64 << 10
)

// past copies src to dst, whole lines past the cache.
func past(dst, src []byte) {
	head := int(-uintptr(unsafe.Pointer(unsafe.SliceData(dst))) % line)
	head = min(head, len(src))
	copy(dst[:head], src)
	dst, src = dst[head:], src[head:]
	for len(src) >= line {
		n := min(len(src), block) &^ (line - 1)
		store(unsafe.Pointer(&dst[0]), unsafe.Pointer(&src[0]), n)
		dst, src = dst[n:], src[n:]
	}
	copy(dst, src)
}
