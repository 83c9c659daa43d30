package server

import (
	"fmt"

	"gridrun/lram/format/array"
	"gridrun/lram/internal/proto"
)

// missing packs the values that stand for none, each of the stored type.
func missing(d array.DType, values []any) (proto.Attr, error) {
	switch d {
	case array.Int8:
		return listOf[int8](values)
	case array.Uint8, array.Char:
		return listOf[uint8](values)
	case array.Int16:
		return listOf[int16](values)
	case array.Uint16:
		return listOf[uint16](values)
	case array.Int32:
		return listOf[int32](values)
	case array.Uint32:
		return listOf[uint32](values)
	case array.Int64:
		return listOf[int64](values)
	case array.Uint64:
		return listOf[uint64](values)
	case array.Float32:
		return listOf[float32](values)
	case array.Float64:
		return listOf[float64](values)
	}
	return proto.Attr{}, fmt.Errorf("elements of type %q cannot be read", d)
}

func listOf[T any](values []any) (proto.Attr, error) {
	list := make([]T, 0, len(values))
	for _, v := range values {
		x, ok := v.(T)
		if !ok {
			return proto.Attr{}, fmt.Errorf("the missing value %v is a %T, the array holds %T", v, v, x)
		}
		list = append(list, x)
	}
	return proto.MakeAttr("", list), nil
}
