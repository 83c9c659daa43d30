package onhost

import (
	"encoding/binary"
	"fmt"

	"gridrun/internal/engine"
)

// A bundle is blocks of several ranks as one message between hosts: their lengths,
// 8 bytes each, little-endian, then the blocks. It is never empty.

// Pack makes a bundle.
func Pack(parts [][]byte) []byte {
	n := 8 * len(parts)
	for _, part := range parts {
		n += len(part)
	}
	b := make([]byte, 8*len(parts), n)
	for i, part := range parts {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// Unpack returns the n blocks of a bundle, which stay in it.
func Unpack(b []byte, n int) ([][]byte, error) {
	if len(b) < 8*n {
		return nil, fmt.Errorf("%w: %d bytes are no bundle of %d blocks", engine.ErrMismatch, len(b), n)
	}
	parts, rest := make([][]byte, n), b[8*n:]
	for i := range parts {
		size := binary.LittleEndian.Uint64(b[8*i:])
		if size > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: block %d of %d is longer than its bundle", engine.ErrMismatch, i, n)
		}
		parts[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after a bundle of %d blocks", engine.ErrMismatch, len(rest), n)
	}
	return parts, nil
}
