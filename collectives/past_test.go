package collectives_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	. "gridrun/collectives"
	"gridrun/rt"
)

// TestPastTheCache: goroutine ranks move more than the cache holds.
func TestPastTheCache(t *testing.T) {
	if err := rt.Run(context.Background(), 5, moved); err != nil {
		t.Error(err)
	}
}

// moved checks operations that copy past the cache where all ranks together write
// more than it holds: 5 ranks and 35 MB, with borders in the middle of lines.
func moved(ctx context.Context, w *rt.World) error {
	const n = 1_400_003 // bytes of a block
	p, me := w.Size(), w.Rank()
	noise := make([]byte, n+1000)
	rand.NewChaCha8([32]byte{}).Read(noise)
	// block is what from has for to, the same on all ranks.
	block := func(from, to int) []byte { return noise[from*31+to*101:][:n] }
	x, all, want := block(me, 0), make([]byte, p*n), make([]byte, 0, p*n)
	for r := range p {
		want = append(want, block(r, 0)...)
	}
	if err := AllGather(ctx, w, x, all); err != nil {
		return err
	}
	errGather := same("AllGather", all, want)
	var out []byte
	want = want[:0]
	for r := range p {
		out = append(out, block(me, r)...)
		want = append(want, block(r, me)...)
	}
	clear(all)
	if err := AllToAll(ctx, w, out, all); err != nil {
		return err
	}
	errAll := same("AllToAll", all, want)
	want = want[:0]
	for r := range p {
		want = append(want, block(2, r)...)
	}
	clear(all)
	if me == 2 {
		copy(all, want)
	}
	if err := Bcast(ctx, w, 2, all); err != nil {
		return err
	}
	return errors.Join(errGather, errAll, same("Bcast", all, want))
}

func same(what string, got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s of %d bytes: another result", what, len(want))
	}
	return nil
}
