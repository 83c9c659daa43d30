package netcdf

import (
	"math"

	"gridrun/lram/format/array"
)

// ncTypes are the external types by their number in the file; 7 and above exist in CDF-5 only.
var ncTypes = [...]array.DType{
	1: array.Int8, 2: array.Char, 3: array.Int16, 4: array.Int32, 5: array.Float32, 6: array.Float64,
	7: array.Uint8, 8: array.Uint16, 9: array.Uint32, 10: array.Int64, 11: array.Uint64,
}

// lastClassicType is the highest type number of CDF-1 and CDF-2.
const lastClassicType = 6

// defaultFill is what a writer leaves in elements that nobody wrote. Types of one byte have none that could be told from data.
var defaultFill = map[array.DType]any{
	array.Int16:   int16(-32767),
	array.Uint16:  uint16(65535),
	array.Int32:   int32(-2147483647),
	array.Uint32:  uint32(4294967295),
	array.Int64:   int64(-9223372036854775806),
	array.Uint64:  uint64(18446744073709551614),
	array.Float32: math.Float32frombits(0x7cf00000), // 15 * 2^119, about 9.97e36
	array.Float64: math.Float64frombits(0x479e000000000000),
}

// The tags in front of lists.
const (
	tagDimension = 0x0a
	tagVariable  = 0x0b
	tagAttribute = 0x0c
)

// pad4 rounds up to a multiple of 4.
func pad4(n int64) int64 { return (n + 3) &^ 3 }
