package engine

import (
	"fmt"
	"testing"
)

// TestSignatureSize: what a signature says of an element's size holds where its
// process has never seen the type, and is not said where it does not fit.
func TestSignatureSize(t *testing.T) {
	for _, c := range []struct{ size, want int }{
		{0, 0}, {1, 1}, {3, 3}, {8, 8}, {16, 16}, {127, 127}, {128, 128}, {254, 254}, {129, noSize}, {257, noSize},
		{1016, 1016}, {1032, noSize}, {4096, 4096}, {8 * 512, 4096}, {1 << 20, 1 << 20}, {126 << 15, 126 << 15},
		{127 << 15, noSize}, {1 << 21, 1 << 21}, {1 << 22, noSize}, {1 << 40, noSize},
	} {
		s := signature(fmt.Sprint("some type of ", c.size), c.size)
		if got := s.size(); got != c.want || s == 0 {
			t.Errorf("the signature %08x of elements of %d bytes says %d, not %d", uint32(s), c.size, got, c.want)
		}
	}
	type large [1031]byte
	s, err := SignatureOf[large]()
	if err != nil || s.size() != 1031 || s.count(3*1031) != 3 {
		t.Errorf("a type that the process has used has %d bytes, %v", s.size(), err)
	}
	if n := signature("unseen", 1033).count(2066); n != -1 {
		t.Errorf("elements of unknown size: counted %d", n)
	}
	if a, b := Signature(0).count(77), signature("nothing", 0).count(0); a != 1 || b != 0 {
		t.Errorf("an encoded value counts %d, elements without size %d", a, b)
	}
}

// TestSignaturesDiffer: common layouts are told apart, also those of one size.
func TestSignaturesDiffer(t *testing.T) {
	names := map[Signature]string{}
	add := func(name string, size int) {
		s := signature(name, size)
		if other, ok := names[s]; ok {
			t.Errorf("%s and %s have the same signature", name, other)
		}
		names[s] = name
	}
	for _, p := range plain {
		size := int(p.Size())
		add(p.String(), size)
		for n := 2; n < 9; n++ {
			add(fmt.Sprintf("[%d]%v", n, p), n*size)
		}
		for _, q := range plain {
			add(fmt.Sprintf("{0:%v %d:%v |16}", p, size, q), 16)
		}
	}
}
