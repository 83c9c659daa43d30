package stdin

import (
	"os"

	"golang.org/x/sys/unix"
)

// A spool keeps the part of a stream that some reader of it still has to get:
// in memory, and in a file without a name when readers are far apart.
type spool struct {
	base int64  // position in the stream of the first byte kept
	end  int64  // and behind the last
	mem  []byte // all that is kept, as long as file is nil
	file *os.File
	zero int64 // position in the stream of the file's first byte
}

const (
	// maxSpoolMemory is the most that is kept in memory, in bytes.
	maxSpoolMemory = 1 << 20
	// spoolPage is what is given back to the file system at a time.
	spoolPage = 1 << 20
)

// append adds data to the end. The file appears in TMPDIR and has no name.
func (s *spool) append(data []byte) error {
	if s.file == nil && len(s.mem)+len(data) > maxSpoolMemory {
		file, err := os.CreateTemp("", "gridrun-input-*")
		if err != nil {
			return err
		}
		if err := os.Remove(file.Name()); err != nil {
			file.Close()
			return err
		}
		s.file, s.zero = file, s.base
		if _, err := file.WriteAt(s.mem, 0); err != nil {
			return err
		}
		s.mem = nil
	}
	if s.file == nil {
		s.mem = append(s.mem, data...)
	} else if _, err := s.file.WriteAt(data, s.end-s.zero); err != nil {
		return err
	}
	s.end += int64(len(data))
	return nil
}

// read returns at most n bytes from position at, which is not before base.
func (s *spool) read(at int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.end-at))
	data := make([]byte, n)
	if s.file == nil {
		copy(data, s.mem[at-s.base:])
		return data, nil
	}
	_, err := s.file.ReadAt(data, at-s.zero)
	return data, err
}

// trim forgets all before position to.
func (s *spool) trim(to int64) {
	if s.file == nil {
		s.mem = s.mem[to-s.base:]
		if len(s.mem) == 0 {
			s.mem = nil
		}
		s.base = to
		return
	}
	from := s.base - s.zero
	if size := (to - s.base) / spoolPage * spoolPage; size > 0 {
		// File systems that cannot do this keep the bytes until the job ends.
		unix.Fallocate(int(s.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, size)
		s.base += size
	}
	if to == s.end { // nothing is kept: memory will do again
		s.close()
		s.base = to
	}
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}
