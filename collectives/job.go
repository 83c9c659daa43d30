package collectives

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	"gridrun/collectives/internal/algo"
	"gridrun/internal/engine"
	"gridrun/rt"
)

// A job is one rank's call of a collective, from its arguments to its end.
type job struct {
	g    rt.Group
	op   engine.Op
	root int // -1: the operation has none
	want algo.Choice
	elem engine.Signature
	size int // bytes of an element
	part part
	err  error // the first argument that is wrong
}

// A part is what this rank brings to a call, besides its root: on all of it the
// ranks must agree.
type part struct {
	elem    reflect.Type // nil: an encoded value
	argName string       // the argument whose length counts; empty: none
	length  int          // in elements
	counts  []int
}

func (p part) String() string {
	switch {
	case p.elem == nil:
		return "an encoded value"
	case p.counts != nil:
		return fmt.Sprintf("elements of type %v and counts %v", p.elem, p.counts)
	case p.argName != "":
		return fmt.Sprintf("len(%s) = %d of type %v", p.argName, p.length, p.elem)
	}
	return fmt.Sprintf("elements of type %v", p.elem)
}

// newJob begins a call with elements of type T. A job stays on its caller's
// stack: short collectives allocate nothing.
func newJob[T any](g rt.Group, op engine.Op, opts []Option) (j job) {
	j.g, j.op, j.root = g, op, -1
	if len(opts) > 0 {
		var want algo.Choice
		for _, o := range opts {
			o(&want)
		}
		j.want = want
	}
	if reproducible() {
		j.want.Ordered = true
	}
	if g == nil {
		j.err = errors.New("the group is nil")
		return j
	}
	var zero T
	j.size = int(unsafe.Sizeof(zero))
	var err error
	if j.elem, err = engine.SignatureOf[T](); err != nil {
		j.failf("%w", err)
	}
	j.part.elem = reflect.TypeFor[T]()
	return j
}

// newValueJob begins a call whose messages are encoded values of any type.
func newValueJob(g rt.Group, op engine.Op, opts []Option) job {
	j := newJob[byte](g, op, opts)
	j.elem, j.part.elem = 0, nil
	return j
}

// failf notes a wrong argument; the first one counts.
func (j *job) failf(format string, args ...any) {
	if j.err == nil {
		j.err = fmt.Errorf(format, args...)
	}
}

// unordered is for operations without a fold, where Ordered has no meaning.
func (j *job) unordered() *job {
	j.want.Ordered = false
	return j
}

// rooted sets the root.
func (j *job) rooted(root int) *job {
	j.root = root
	if j.g != nil && (root < 0 || root >= j.g.Size()) {
		j.failf("root %d is not in the group of %d ranks (0 to %d)", root, j.g.Size(), j.g.Size()-1)
	}
	return j
}

// ranks is the size of the group.
func (j *job) ranks() int {
	if j.g == nil {
		return 0
	}
	return j.g.Size()
}

// isRoot is false if the arguments are already known to be wrong.
func (j *job) isRoot() bool { return j.err == nil && j.g.Rank() == j.root }

// agree adds the length of the argument called name, in elements, to what all
// ranks must agree on.
func (j *job) agree(name string, n int) *job {
	j.part.argName, j.part.length = name, n
	return j
}

// length checks the length of the argument called name, in elements.
func (j *job) length(name string, got, want int, rule string) {
	if got != want {
		j.failf("len(%s) is %d; %s is %d", name, got, rule, want)
	}
}

// perRank checks a buffer of one block for every rank.
func (j *job) perRank(name string, got int, blockName string, block int) {
	if j.err == nil && got != j.g.Size()*block {
		j.failf("len(%s) is %d; %d ranks times len(%s) is %d", name, got, j.g.Size(), blockName, j.g.Size()*block)
	}
}

// disjoint checks that two arguments share no memory.
func (j *job) disjoint(nameA string, a []byte, nameB string, b []byte) {
	if overlap(a, b) {
		j.failf("%s and %s share memory", nameA, nameB)
	}
}

// inPlace is disjoint, but lets x be the block of all that will hold it, which
// begins at byte off.
func (j *job) inPlace(x, all []byte, off int) {
	if overlap(x, all) && &x[0] != &all[off] {
		j.failf("x and all share memory; only x's own place in all may be x")
	}
}

func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	pa, pb := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return pa < pb+uintptr(len(b)) && pb < pa+uintptr(len(a))
}

// signature mixes what must agree into the element's signature (FNV-1a).
func (j *job) signature() engine.Signature {
	h := uint32(2166136261)
	mix := func(v int) {
		for ; v != 0; v = int(uint(v) >> 8) {
			h = (h ^ uint32(v&0xff)) * 16777619
		}
		h = (h ^ 0x100) * 16777619 // the end of a number
	}
	mix(j.part.length)
	for _, n := range j.part.counts {
		mix(n)
	}
	for _, c := range []byte(j.want.Name) {
		mix(int(c))
	}
	if j.want.Ordered {
		mix(1)
	}
	return j.elem ^ engine.Signature(h)
}

// run runs body as the call, or on, where the ranks share a board. If an argument was wrong the call begins all the
// same, and fails: the peers, who may already be waiting for this rank, must
// learn of it.
func (j *job) run(ctx context.Context, on plan, body func(c algo.Net) error) error {
	if j.g == nil {
		return &rt.Error{Op: j.op.String(), Peer: rt.AnyRank, Tag: rt.AnyTag, Err: j.err}
	}
	call, err := j.begin(ctx)
	if j.err != nil {
		if err == nil {
			call.End(j.err)
		}
		return &rt.Error{Op: j.op.String(), Rank: j.g.Rank(), Peer: rt.AnyRank, Tag: rt.AnyTag, Err: j.err}
	}
	if err != nil {
		return err
	}
	if j.part.argName != "" {
		call.Brings(j.part.length)
	}
	return call.End(j.perform(call, on, body))
}

func (j *job) begin(ctx context.Context) (*engine.Call, error) {
	root := j.root
	if j.err != nil {
		root = -1
	}
	return engine.From(j.g).BeginShared(ctx, j.op, j.signature(), root)
}

// folding returns op over bytes. A panic of op becomes an error that names it.
func folding[T any](op Op[T]) algo.Fold {
	var zero T
	return algo.Fold{Elem: int(unsafe.Sizeof(zero)), Into: func(dst, src []byte) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("the operation %s panicked: %v", runtime.FuncForPC(reflect.ValueOf(op).Pointer()).Name(), v)
			}
		}()
		op(elements[T](dst), elements[T](src))
		return nil
	}}
}

// folds checks the operation of a fold.
func folds[T any](j *job, op Op[T]) {
	if op == nil {
		j.failf("op is nil")
	}
}

// elements views bytes, aligned for T, as elements.
func elements[T any](b []byte) []T {
	var zero T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(zero)))
}
