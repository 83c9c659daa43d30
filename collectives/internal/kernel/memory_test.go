package kernel

import "unsafe"

// aligned is memory at a multiple of 64.
func aligned(n int) []byte {
	b := make([]byte, n+64)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & 63)
	return b[skip:][:n:n]
}

// clone is a copy at a multiple of 64.
func clone(b []byte) []byte {
	c := aligned(len(b))
	copy(c, b)
	return c
}
