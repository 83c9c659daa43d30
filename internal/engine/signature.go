package engine

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A Signature stands for the memory layout of an element type: the kinds of
// its fields in order, not its name. 0 means "no type" (raw bytes of values).
//
//	bit 31..12   11..5      4..1       0
//	    hash     mantissa   exponent   1
//
// mantissa << exponent is an element's size in bytes: a probe counts elements of a
// type that its process may never have seen. A size that is not of that form has
// all of these bits set.
type Signature uint32

const (
	hashBits    = 0xfffff << 12
	maxMantissa = 1<<7 - 1
	maxExponent = 1<<4 - 1
	noSize      = -1
)

type layout struct {
	sig  Signature
	name string
	size int
	err  error
}

// layouts caches the walk over a type: reflect.Type -> *layout. They are kept by
// signature too, so that an error can name what the peer has sent.
var layouts, known sync.Map

// SignatureOf returns the layout of T. It fails for a T that holds pointers
// (slices, strings, maps, interfaces, ... included): those cannot travel as bytes.
func SignatureOf[T any]() (Signature, error) {
	x := any((*T)(nil))
	id := *(*unsafe.Pointer)(unsafe.Pointer(&x)) // its first word is the type *T
	at := &recent[uintptr(id)>>5%uintptr(len(recent))]
	if l := at.Load(); l != nil && l.id == id {
		return l.sig, nil
	}
	sig, err := signatureOf(reflect.TypeFor[T]())
	if err == nil {
		at.Store(&recentType{id, sig})
	}
	return sig, err
}

// recent has layouts that were asked for lately: short operations look nowhere else.
var recent [64]atomic.Pointer[recentType]

type recentType struct {
	id  unsafe.Pointer // of the type, which the program holds for ever
	sig Signature
}

func signatureOf(t reflect.Type) (Signature, error) {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout).sig, l.(*layout).err
	}
	var b strings.Builder
	l := &layout{}
	if l.err = describe(&b, t); l.err != nil {
		l.err = fmt.Errorf("elements of type %v cannot be sent as they are: %w (SendValue carries any value)", t, l.err)
	} else {
		l.name, l.size = b.String(), int(t.Size())
		l.sig = signature(l.name, l.size)
		known.Store(l.sig, l)
	}
	layouts.Store(t, l)
	return l.sig, l.err
}

// signature is FNV-1a of a layout's name, and its size.
func signature(name string, size int) Signature {
	h := fnv.New32a()
	h.Write([]byte(name))
	mantissa, exponent := size, 0
	for mantissa > maxMantissa && mantissa%2 == 0 {
		mantissa, exponent = mantissa/2, exponent+1
	}
	if mantissa > maxMantissa || exponent > maxExponent {
		mantissa, exponent = maxMantissa, maxExponent
	}
	sum := h.Sum32()
	return Signature((sum^sum<<12)&hashBits | uint32(mantissa)<<5 | uint32(exponent)<<1 | 1)
}

// size is the bytes of an element, noSize where they cannot be known.
func (s Signature) size() int {
	mantissa, exponent := int(s>>5&maxMantissa), s>>1&maxExponent
	if mantissa != maxMantissa || exponent != maxExponent {
		return mantissa << exponent
	}
	if l, ok := known.Load(s); ok {
		return l.(*layout).size
	}
	return noSize
}

// count is the number of elements in a message of so many bytes: 1 for an encoded
// value, -1 where nobody here knows the type.
func (s Signature) count(bytes uint64) int {
	if s == 0 {
		return 1
	}
	switch size := s.size(); size {
	case 0:
		return 0
	case noSize:
		return -1
	default:
		return int(bytes / uint64(size))
	}
}

func describe(b *strings.Builder, t reflect.Type) error {
	switch k := t.Kind(); k {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		b.WriteString(k.String())
	case reflect.Array:
		fmt.Fprintf(b, "[%d]", t.Len())
		return describe(b, t.Elem())
	case reflect.Struct:
		b.WriteByte('{')
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(b, "%d:", f.Offset)
			if err := describe(b, f.Type); err != nil {
				return fmt.Errorf("field %s: %w", f.Name, err)
			}
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "|%d}", t.Size())
	default:
		return fmt.Errorf("%v holds a pointer", t)
	}
	return nil
}

// A Kind is an element type in one word: its signature, and its size above it.
type Kind uint64

// Sized adds the bytes of an element.
func (s Signature) Sized(bytes int) Kind { return Kind(bytes)<<32 | Kind(s) }

func (k Kind) size() uint32 { return uint32(k >> 32) }

func (k Kind) payload(x []byte) Payload { return Payload{Bytes: x, Elem: Signature(k), Size: k.size()} }

// String names the layout where this process has seen it.
func (s Signature) String() string {
	if s == 0 {
		return "an encoded value"
	}
	if l, ok := known.Load(s); ok {
		return l.(*layout).name
	}
	// A peer's plain numbers, which this process has never used.
	for _, t := range plain {
		if signature(t.String(), int(t.Size())) == s {
			return t.String()
		}
	}
	return fmt.Sprintf("another type (layout %08x)", uint32(s))
}

// plain are the types of numbers.
var plain = [...]reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](),
	reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](),
	reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
}

// Bytes views x as its bytes; x must hold no pointers (SignatureOf says so).
func Bytes[T any](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), uintptr(len(x))*unsafe.Sizeof(x[0]))
}
