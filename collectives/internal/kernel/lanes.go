package kernel

import (
	"reflect"
	"unsafe"
)

// A lane is how a vector is divided: the type of its elements, or of what they
// consist of. fold_amd64.s has a row of kernels for each.
type lane int

const (
	lane8 lane = iota
	lane16
	lane32
	lane64
	laneU8
	laneU16
	laneU32
	laneU64
	laneF32
	laneF64
	laneC64
	laneC128
	laneLoc32 // pairs of 16 bytes: value, index
	laneLoc64
	laneLocF32
	laneLocF64
	lanes      = iota
	none  lane = -1
)

// An op is what a kernel does, its column in fold_amd64.s.
type op int

const (
	opSum op = iota
	opProd
	opMin
	opMax
	opAnd // of bytes: laneU8 alone has these three
	opOr
	opXor
	ops = 8 // a power of two, to number kernels
)

const wordBits = 32 << (^uint(0) >> 63)

// laneOf is the lane of elements of type T, whatever it is called.
func laneOf[T any]() lane {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Int8:
		return lane8
	case reflect.Int16:
		return lane16
	case reflect.Int32:
		return lane32
	case reflect.Int64:
		return lane64
	case reflect.Uint8:
		return laneU8
	case reflect.Uint16:
		return laneU16
	case reflect.Uint32:
		return laneU32
	case reflect.Uint64:
		return laneU64
	case reflect.Float32:
		return laneF32
	case reflect.Float64:
		return laneF64
	case reflect.Complex64:
		return laneC64
	case reflect.Complex128:
		return laneC128
	case reflect.Int:
		return lane32 + (lane64-lane32)*(wordBits/64)
	case reflect.Uint:
		return laneU32 + (laneU64-laneU32)*(wordBits/64)
	}
	return none
}

// locLane is the lane of Loc[T], none where only Go code has it.
func locLane[T Real]() lane {
	var pair Loc[T]
	if unsafe.Sizeof(pair) != 16 || unsafe.Offsetof(pair.Index) != 8 {
		return none
	}
	switch laneOf[T]() {
	case lane32:
		return laneLoc32
	case lane64:
		return laneLoc64
	case laneF32:
		return laneLocF32
	case laneF64:
		return laneLocF64
	}
	return none
}

// Raw views elements as bytes.
func Raw[T any](x []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(zero)))
}

// view is the opposite of Raw, of bytes that are aligned for T.
func view[T any](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}
