package kernel

import (
	"encoding/binary"
)

// Loops over machine words, for elements that are shorter: eight bytes a step are
// what memory can give, one or two are not. Words are read where they stand,
// aligned or not.

var word = binary.NativeEndian

func andBytes(dst, src []byte) {
	for len(src) >= 32 {
		d, s := dst[:32:32], src[:32:32]
		word.PutUint64(d, word.Uint64(d)&word.Uint64(s))
		word.PutUint64(d[8:], word.Uint64(d[8:])&word.Uint64(s[8:]))
		word.PutUint64(d[16:], word.Uint64(d[16:])&word.Uint64(s[16:]))
		word.PutUint64(d[24:], word.Uint64(d[24:])&word.Uint64(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, v := range src {
		dst[i] &= v
	}
}

func orBytes(dst, src []byte) {
	for len(src) >= 32 {
		d, s := dst[:32:32], src[:32:32]
		word.PutUint64(d, word.Uint64(d)|word.Uint64(s))
		word.PutUint64(d[8:], word.Uint64(d[8:])|word.Uint64(s[8:]))
		word.PutUint64(d[16:], word.Uint64(d[16:])|word.Uint64(s[16:]))
		word.PutUint64(d[24:], word.Uint64(d[24:])|word.Uint64(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, v := range src {
		dst[i] |= v
	}
}

func xorBytes(dst, src []byte) {
	for len(src) >= 32 {
		d, s := dst[:32:32], src[:32:32]
		word.PutUint64(d, word.Uint64(d)^word.Uint64(s))
		word.PutUint64(d[8:], word.Uint64(d[8:])^word.Uint64(s[8:]))
		word.PutUint64(d[16:], word.Uint64(d[16:])^word.Uint64(s[16:]))
		word.PutUint64(d[24:], word.Uint64(d[24:])^word.Uint64(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, v := range src {
		dst[i] ^= v
	}
}

// The highest bits of the bytes, and of the pairs of bytes, of a word.
const (
	tops8  = 0x8080808080808080
	tops16 = 0x8000800080008000
)

// addLanes adds the parts of two words, each part by itself: below their highest
// bits nothing is carried from one to the next, and the highest bits are added
// without carry. Warren, "Hacker's Delight", section 2-18.
func addLanes(a, b, tops uint64) uint64 { return (a&^tops + b&^tops) ^ (a^b)&tops }

// addWords adds parts of whole words and returns how many bytes it has done.
func addWords(dst, src []byte, tops uint64) (done int) {
	for len(src) >= 16 {
		d, s := dst[:16:16], src[:16:16]
		word.PutUint64(d, addLanes(word.Uint64(d), word.Uint64(s), tops))
		word.PutUint64(d[8:], addLanes(word.Uint64(d[8:]), word.Uint64(s[8:]), tops))
		dst, src = dst[16:], src[16:]
		done += 16
	}
	return done
}
