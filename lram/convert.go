package lram

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"unsafe"
)

// A convertFunc fills dst with elements of a block, from the from-th on, step apart. On an error it says which of dst it is.
type convertFunc[T Real] func(block []byte, from, step int, dst []T) (bad int, err error)

// converter chooses how the elements of d become T.
func converter[T Real](d *Dataset) (convertFunc[T], error) {
	switch d.desc.DType {
	case "int8":
		return convertFrom[int8, T](d)
	case "uint8", "char":
		return convertFrom[uint8, T](d)
	case "int16":
		return convertFrom[int16, T](d)
	case "uint16":
		return convertFrom[uint16, T](d)
	case "int32":
		return convertFrom[int32, T](d)
	case "uint32":
		return convertFrom[uint32, T](d)
	case "int64":
		return convertFrom[int64, T](d)
	case "uint64":
		return convertFrom[uint64, T](d)
	case "float32":
		return convertFrom[float32, T](d)
	case "float64":
		return convertFrom[float64, T](d)
	}
	return nil, fmt.Errorf("elements of type %q cannot be read", d.desc.DType)
}

// elemSize is the bytes of an element, 0 for an unknown type.
func elemSize(dtype string) int {
	switch dtype {
	case "char", "int8", "uint8":
		return 1
	case "int16", "uint16":
		return 2
	case "int32", "uint32", "float32":
		return 4
	case "int64", "uint64", "float64":
		return 8
	}
	return 0
}

// elements views a block, which begins on a page, as what it holds.
func elements[S any](block []byte) []S {
	var s S
	return unsafe.Slice((*S)(unsafe.Pointer(unsafe.SliceData(block))), len(block)/int(unsafe.Sizeof(s)))
}

func isFloat[T Real]() bool { return T(1)/2 != 0 }

func convertFrom[S, T Real](d *Dataset) (convertFunc[T], error) {
	missing, ok := d.missing.([]S)
	if !ok {
		return nil, fmt.Errorf("missing values of type %T in an array of %s", d.missing, d.desc.DType)
	}
	// A NaN equals nothing and stays NaN by itself.
	missing = slices.DeleteFunc(slices.Clone(missing), func(m S) bool { return m != m })
	packed := d.desc.Packed
	scale, offset := d.desc.Scale, d.desc.Offset
	switch {
	case isFloat[T]() && packed:
		return func(block []byte, from, step int, dst []T) (int, error) {
			src := elements[S](block)
			for i := range dst {
				v := src[from]
				from += step
				if slices.Contains(missing, v) {
					dst[i] = T(math.NaN())
				} else {
					dst[i] = T(float64(v)*scale + offset)
				}
			}
			return 0, nil
		}, nil
	case isFloat[T]():
		return func(block []byte, from, step int, dst []T) (int, error) {
			src := elements[S](block)
			widen(dst, src, from, step)
			for _, m := range missing {
				blank(dst, src, from, step, m)
			}
			return 0, nil
		}, nil
	case packed || isFloat[S]():
		return func(block []byte, from, step int, dst []T) (int, error) {
			src := elements[S](block)
			for i := range dst {
				v := src[from]
				from += step
				f := float64(v)
				if packed {
					f = f*scale + offset
				}
				if f != f || slices.Contains(missing, v) {
					return i, fmt.Errorf("%w: stored as %v, which %s cannot express", ErrMissing, v, kindOf[T]())
				}
				x, fits := truncated[T](f)
				if !fits {
					return i, fmt.Errorf("%w: %v does not fit %s", ErrRange, f, kindOf[T]())
				}
				dst[i] = x
			}
			return 0, nil
		}, nil
	}
	return func(block []byte, from, step int, dst []T) (int, error) {
		src := elements[S](block)
		for i := range dst {
			v := src[from]
			from += step
			if slices.Contains(missing, v) {
				return i, fmt.Errorf("%w: stored as %v, which %s cannot express", ErrMissing, v, kindOf[T]())
			}
			x := T(v)
			if S(x) != v || (x < 0) != (v < 0) {
				return i, fmt.Errorf("%w: %v does not fit %s", ErrRange, v, kindOf[T]())
			}
			dst[i] = x
		}
		return 0, nil
	}, nil
}

// widen copies, converting element by element where the types differ.
func widen[S, T Real](dst []T, src []S, from, step int) {
	if step == 1 {
		src = src[from : from+len(dst)]
		if kindOf[S]() == kindOf[T]() {
			copy(unsafe.Slice((*S)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst)), src)
			return
		}
		for i, v := range src {
			dst[i] = T(v)
		}
		return
	}
	for i := range dst {
		dst[i] = T(src[from])
		from += step
	}
}

// blank writes NaN where the stored value is m.
func blank[S, T Real](dst []T, src []S, from, step int, m S) {
	nan := T(math.NaN())
	if step == 1 {
		for i, v := range src[from : from+len(dst)] {
			if v == m {
				dst[i] = nan
			}
		}
		return
	}
	for i := range dst {
		if src[from] == m {
			dst[i] = nan
		}
		from += step
	}
}

func kindOf[T any]() reflect.Kind { return reflect.TypeFor[T]().Kind() }

// truncated cuts the fraction off; ok is false if an integer type T cannot hold the rest.
func truncated[T Real](f float64) (x T, ok bool) {
	f = math.Trunc(f)
	bits := int(unsafe.Sizeof(x)) * 8
	low, high := 0.0, math.Ldexp(1, bits)
	if signed := x-1 < 0; signed {
		low, high = -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)
	}
	if f < low || f >= high {
		return 0, false
	}
	return T(f), true
}
