//go:build !amd64

package spin

func copyOver(dst, src []byte) { copy(dst, src) }
