package shm

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Boards are handed out until there are none, come back empty, and their memory
// with them.
func TestBoards(t *testing.T) {
	s, err := Create([]int{0, 1}, [][]int{{0, 1}, {2}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	held := make(map[int]bool)
	for range maxBoards - 1 {
		id, ok := s.Take()
		if !ok || id == 0 || held[id] {
			t.Fatalf("board %d, %v", id, ok)
		}
		held[id] = true
	}
	if id, ok := s.Take(); ok {
		t.Fatalf("board %d of none left", id)
	}
	blocks := func() int64 {
		var st unix.Stat_t
		if err := unix.Fstat(int(s.File().Fd()), &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks
	}
	before := blocks()
	b, err := s.Board(5, 2)
	if err != nil {
		t.Fatal(err)
	}
	for m := range 2 {
		for turn := range uint64(2) {
			stage := b.StageOf(m, turn)
			for i := range stage {
				stage[i] = 1
			}
		}
	}
	if grown := blocks() - before; grown < int64(4*b.Stage/512) {
		t.Fatalf("%d blocks more after writing %d bytes", grown, 4*b.Stage)
	}
	s.Give(5)
	if now := blocks(); now > before {
		t.Errorf("%d blocks after the board was given back, %d before it was used", now, before)
	}
	id, ok := s.Take()
	if !ok || id != 5 {
		t.Fatalf("board %d, %v after 5 was given back", id, ok)
	}
	if b, err = s.Board(5, 3); err != nil || b.StageOf(2, 1)[7] != 0 {
		t.Fatalf("not empty: %v", err)
	}
	w, err := s.World()
	if err != nil || w.Members != 3 {
		t.Fatalf("the world's board: %+v, %v", w, err)
	}
	// A second mapping sees the same.
	fd, err := unix.Dup(int(s.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Attach(os.NewFile(uintptr(fd), "segment"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w.StageOf(0, 0)[0] = 42
	if o, err := other.World(); err != nil || o.StageOf(0, 0)[0] != 42 {
		t.Errorf("the other mapping: %v", err)
	}
	if _, ok := other.Take(); ok {
		t.Error("the other mapping does not know what is taken")
	}
}
