package memory

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// New makes a region of size bytes, none of which takes memory yet.
func New(size int64) (*Region, error) {
	fd, err := unix.MemfdCreate("gridrun-lram", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("shared memory for the cache: memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("shared memory of %s for the cache: %w; ask for less memory, or see ulimit -f", FormatBytes(size), err)
	}
	// Clients may trust the size: a region that shrank would kill them with SIGBUS.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("shared memory for the cache: sealing: %w", err)
	}
	r, err := mapped(fd, size, true)
	if err == nil {
		// From here on nobody else can map it for writing; kernels before 5.1 do not know the seal.
		unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
	}
	return r, err
}

// Map maps a region made by another process, for reading. It owns fd from now on, also when it fails.
func Map(fd int) (*Region, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("shared memory of the cache: %w", err)
	}
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_SHRINK == 0 {
		unix.Close(fd)
		return nil, errors.New("shared memory of the cache: the descriptor received is not a sealed memfd")
	}
	return mapped(fd, st.Size, false)
}

func mapped(fd int, size int64, write bool) (*Region, error) {
	prot := unix.PROT_READ
	if write {
		prot |= unix.PROT_WRITE
	}
	b, err := unix.Mmap(fd, 0, int(size), prot, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mapping %s of shared memory of the cache: %w; ask for less memory, or see ulimit -v", FormatBytes(size), err)
	}
	return newRegion(b, fd), nil
}

// Ensure makes the pages of [off, off+n) exist. An error says that the host has no memory left for them.
func (r *Region) Ensure(off, n int64) error {
	if err := r.check(off, n); err != nil || n == 0 {
		return err
	}
	for {
		err := unix.Fallocate(r.fd, 0, off, n)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("no memory for a block of %s in the cache of %s: %w", FormatBytes(n), FormatBytes(r.Size()), err)
		}
	}
}

func (m *mapping) unmap() error {
	return errors.Join(unix.Munmap(m.bytes), unix.Close(m.fd))
}
