package kernel

import "unsafe"

// The loops in Go, which define what a kernel does. They are unrolled, four
// elements a turn, with lengths that the compiler knows.

func sum[T Number](dst, src []T) {
	if len(src) >= 32 {
		switch unsafe.Sizeof(src[0]) { // no float is that short
		case 1:
			done := addWords(Raw(dst), Raw(src), tops8)
			dst, src = dst[done:], src[done:]
		case 2:
			done := addWords(Raw(dst), Raw(src), tops16) / 2
			dst, src = dst[done:], src[done:]
		}
	}
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] += s[0]
		d[1] += s[1]
		d[2] += s[2]
		d[3] += s[3]
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] += v
	}
}

func prod[T Number](dst, src []T) {
	if len(src) > 0 && unsafe.Sizeof(src[0]) == unsafe.Sizeof(1i) {
		prodC128(view[complex128](Raw(dst)), view[complex128](Raw(src)))
		return
	}
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] *= s[0]
		d[1] *= s[1]
		d[2] *= s[2]
		d[3] *= s[3]
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] *= v
	}
}

// prodC128 rounds every product and every sum. Left to itself Go's compiler joins
// some of them in one instruction, on other processors than amd64, which rounds
// once: bits would depend on the processor, and on where in a turn a number stands.
// Products of short complex numbers it computes in long ones, where nothing is lost.
func prodC128(dst, src []complex128) {
	for i, s := range src {
		d := dst[i]
		dst[i] = complex(
			float64(real(d)*real(s))-float64(imag(d)*imag(s)),
			float64(real(d)*imag(s))+float64(imag(d)*real(s)))
	}
}

func smallest[T Real](dst, src []T) {
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] = min(d[0], s[0])
		d[1] = min(d[1], s[1])
		d[2] = min(d[2], s[2])
		d[3] = min(d[3], s[3])
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] = min(dst[i], v)
	}
}

func greatest[T Real](dst, src []T) {
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] = max(d[0], s[0])
		d[1] = max(d[1], s[1])
		d[2] = max(d[2], s[2])
		d[3] = max(d[3], s[3])
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] = max(dst[i], v)
	}
}

func pick[T Real](dst, src []Loc[T], beats func(a, b T) bool) {
	dst = dst[:len(src)]
	for i, s := range src {
		d := dst[i]
		dNaN, sNaN := d.Value != d.Value, s.Value != s.Value
		tie := d.Value == s.Value || dNaN && sNaN
		if tie && s.Index < d.Index || !dNaN && (sNaN || beats(s.Value, d.Value)) {
			dst[i] = s
		}
	}
}
