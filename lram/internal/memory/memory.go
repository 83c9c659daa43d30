// Package memory is the region of memory that holds a cache's blocks: on Linux
// one memfd, which the server maps for writing and clients map for reading.
//
// The region has the budget's size but is sparse: [Region.Ensure] makes the
// pages of a range exist before they are written, so that a host without
// memory answers with an error and not with a signal. Nothing has a name in a
// file system; when the last process has closed it, the memory is gone.
package memory

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// A Region is one holder's view of the memory. Close ends it; slices of Bytes
// are not valid after that.
type Region struct {
	*mapping
	closed atomic.Bool
}

// mapping is shared by the holders in one process.
type mapping struct {
	bytes   []byte
	fd      int // -1: ordinary memory of this process
	holders atomic.Int32
}

func newRegion(b []byte, fd int) *Region {
	m := &mapping{bytes: b, fd: fd}
	m.holders.Store(1)
	return &Region{mapping: m}
}

// Share gives another holder in this process the same mapping, to be closed too.
func (r *Region) Share() *Region {
	r.holders.Add(1)
	return &Region{mapping: r.mapping}
}

// Close unmaps the region when its last holder closes.
func (r *Region) Close() error {
	if r.closed.Swap(true) || r.holders.Add(-1) > 0 {
		return nil
	}
	return r.unmap()
}

// Bytes is the whole region.
func (r *Region) Bytes() []byte { return r.bytes }

// Size in bytes.
func (r *Region) Size() int64 { return int64(len(r.bytes)) }

// Descriptor is what another process maps, -1 if there is none. It belongs to the region.
func (r *Region) Descriptor() int { return r.fd }

// check tells a range outside of the region.
func (r *Region) check(off, n int64) error {
	if off < 0 || n < 0 || off > r.Size() || n > r.Size()-off {
		return fmt.Errorf("range [%d, +%d) of a region of %d bytes", off, n, r.Size())
	}
	return nil
}

// FormatBytes writes a size for people: "512 MiB".
func FormatBytes(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[i]
}
