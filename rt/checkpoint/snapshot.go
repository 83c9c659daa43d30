package checkpoint

import (
	"encoding/binary"
	"fmt"
)

// A Snapshot is one complete step, to be read part by part: by a group of
// another size than the one that has saved it, say.
type Snapshot struct {
	manifest
	dir  string
	disk disk
}

// Open returns the newest complete step. Not collective; ErrNone is its error
// when there is none.
func (s Store) Open() (*Snapshot, error) {
	dirs, err := s.stepDirs()
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	all, bad := s.complete(dirs)
	for _, err := range bad {
		s.warn(err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("checkpoint: %s: %w", s.Dir, ErrNone)
	}
	return all[0], nil
}

// Step is the number that Save was given.
func (p *Snapshot) Step() int64 { return p.manifest.Step }

// Parts is the number of ranks that have saved it.
func (p *Snapshot) Parts() int { return len(p.manifest.Parts) }

// Read sets the variables to what rank i of those that saved had.
func (p *Snapshot) Read(i int, vars ...Var) error {
	part, err := p.part(i)
	if err == nil {
		err = part.check(vars)
	}
	if err == nil {
		err = part.fill(vars)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: step %d: part %d: %w", p.Step(), i, err)
	}
	return nil
}

// part reads and verifies the part of rank i.
func (p *Snapshot) part(i int) (*part, error) {
	if i < 0 || i >= p.Parts() {
		return nil, fmt.Errorf("there are parts 0 to %d", p.Parts()-1)
	}
	want := p.manifest.Parts[i]
	path := partPath(p.dir, i)
	b, err := p.disk.read(path)
	if err != nil {
		return nil, fmt.Errorf("the part that was written on host %s cannot be read (%w): the directory must be one that all hosts share", want.Host, err)
	}
	if int64(len(b)) != want.Size || len(b) < 4 || binary.LittleEndian.Uint32(b[len(b)-4:]) != want.Sum {
		return nil, fmt.Errorf("%w: %s is not the file of %d bytes that was saved", ErrDamaged, path, want.Size)
	}
	part, err := decodePart(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if part.Step != p.Step() || part.Rank != i || part.Ranks != p.Parts() {
		return nil, fmt.Errorf("%w: %s is part %d of %d of step %d", ErrDamaged, path, part.Rank, part.Ranks, part.Step)
	}
	return &part, nil
}
