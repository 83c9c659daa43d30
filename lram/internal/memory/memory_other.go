//go:build !linux

package memory

import "errors"

// New makes a region of size bytes in this process; the system makes pages exist when they are touched.
func New(size int64) (*Region, error) {
	return newRegion(make([]byte, size), -1), nil
}

// Map needs Linux.
func Map(fd int) (*Region, error) {
	return nil, errors.New("shared memory of the cache: needs Linux")
}

// Ensure checks the range.
func (r *Region) Ensure(off, n int64) error { return r.check(off, n) }

func (m *mapping) unmap() error { return nil }
