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
type Signature uint32

type layout struct {
	sig  Signature
	name string
	err  error
}

// layouts caches the walk over a type: reflect.Type -> *layout. Names are kept
// by signature too, so that an error can name what the peer has sent.
var layouts, names sync.Map

// SignatureOf returns the layout of T. It fails for a T that holds pointers
// (slices, strings, maps, interfaces, ... included): those cannot travel as bytes.
func SignatureOf[T any]() (Signature, error) {
	common := -1
	switch any((*T)(nil)).(type) {
	case *struct{}:
		common = 0
	case *byte:
		common = 1
	case *float64:
		common = 2
	case *float32:
		common = 3
	case *int64:
		common = 4
	case *int32:
		common = 5
	case *int:
		common = 6
	}
	if common < 0 {
		return signatureOf(reflect.TypeFor[T]())
	}
	if s := commons[common].Load(); s != 0 {
		return Signature(s), nil
	}
	s, err := signatureOf(reflect.TypeFor[T]())
	commons[common].Store(uint32(s))
	return s, err
}

// commons has the layouts of common types: short operations look nowhere else.
var commons [7]atomic.Uint32

func signatureOf(t reflect.Type) (Signature, error) {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout).sig, l.(*layout).err
	}
	var b strings.Builder
	l := &layout{}
	if l.err = describe(&b, t); l.err != nil {
		l.err = fmt.Errorf("elements of type %v cannot be sent as they are: %w (SendValue carries any value)", t, l.err)
	} else {
		l.name = b.String()
		l.sig = signature(l.name)
		names.Store(l.sig, l.name)
	}
	layouts.Store(t, l)
	return l.sig, l.err
}

// signature is FNV-1a of a layout's name.
func signature(name string) Signature {
	h := fnv.New32a()
	h.Write([]byte(name))
	return Signature(h.Sum32() | 1)
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
	if n, ok := names.Load(s); ok {
		return n.(string)
	}
	// A peer's plain numbers, which this process has never used.
	for k := reflect.Bool; k <= reflect.Complex128; k++ {
		if signature(k.String()) == s {
			return k.String()
		}
	}
	return fmt.Sprintf("another type (layout %08x)", uint32(s))
}

// Bytes views x as its bytes; x must hold no pointers (SignatureOf says so).
func Bytes[T any](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), uintptr(len(x))*unsafe.Sizeof(x[0]))
}
