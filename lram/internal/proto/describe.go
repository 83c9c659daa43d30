package proto

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A Description is what a rank must know of an array that the server has opened.
type Description struct {
	File, Name    string // for messages: Name is the variable
	DType         string // stored type
	Shape         []int
	Dims          []string
	Block         []int // shape of a block
	Packed        bool  // value = stored*Scale + Offset
	Scale, Offset float64
	Missing       Attr // a list of the stored type
	Attrs         []Attr
	Files         []File // everything the array is read from
}

// A File says which state of a file a host has opened: hosts must agree.
type File struct {
	Name  string
	Size  int64 // bytes
	MTime int64 // nanoseconds since 1970, 0 if it has none
}

func (f File) String() string {
	if f.MTime == 0 {
		return fmt.Sprintf("%s of %d bytes", f.Name, f.Size)
	}
	return fmt.Sprintf("%s of %d bytes, changed %s", f.Name, f.Size, time.Unix(0, f.MTime).UTC().Format("2006-01-02 15:04:05.999999999"))
}

// An Attr is an attribute: text, numbers of one type, or whatever else msgpack carries.
type Attr struct {
	Name   string
	Type   string // "text", "int8" ... "float64" for one number, "[]int8" ... for several, "" for Value
	Data   []byte // text, or the numbers, little-endian
	Values any
}

// Encode is the Description field of Opened.
func (d *Description) Encode() ([]byte, error) {
	b, err := msgpack.Marshal(d)
	if err == nil && len(b) > MaxFrame-100 {
		err = fmt.Errorf("the description of the array takes %d bytes, mostly attributes; the most is %d", len(b), MaxFrame-100)
	}
	return b, err
}

// DecodeDescription undoes Encode.
func DecodeDescription(b []byte) (*Description, error) {
	d := new(Description)
	if err := msgpack.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("%w: description of an array: %w", ErrMalformed, err)
	}
	if len(d.Dims) != len(d.Shape) || len(d.Block) != len(d.Shape) {
		return nil, fmt.Errorf("%w: description of an array: %d lengths, %d names, %d block lengths", ErrMalformed, len(d.Shape), len(d.Dims), len(d.Block))
	}
	return d, nil
}

// numbers makes a place for n numbers of a type, nil for an unknown one.
var numbers = map[string]func(n int) (slice any, first func() any){
	"int8":    makeNumbers[int8],
	"uint8":   makeNumbers[uint8],
	"int16":   makeNumbers[int16],
	"uint16":  makeNumbers[uint16],
	"int32":   makeNumbers[int32],
	"uint32":  makeNumbers[uint32],
	"int64":   makeNumbers[int64],
	"uint64":  makeNumbers[uint64],
	"float32": makeNumbers[float32],
	"float64": makeNumbers[float64],
}

func makeNumbers[T any](n int) (slice any, first func() any) {
	s := make([]T, n)
	return s, func() any { return s[0] }
}

// MakeAttr packs a value so that its Go type survives, whether one number or a slice of them.
func MakeAttr(name string, value any) Attr {
	if text, ok := value.(string); ok {
		return Attr{Name: name, Type: "text", Data: []byte(text)}
	}
	kind := fmt.Sprintf("%T", value)
	elem := kind
	if len(kind) > 2 && kind[:2] == "[]" {
		elem = kind[2:]
	}
	if numbers[elem] == nil {
		return Attr{Name: name, Values: value}
	}
	data, err := binary.Append(nil, binary.LittleEndian, value)
	if err != nil {
		return Attr{Name: name, Values: value}
	}
	return Attr{Name: name, Type: kind, Data: data}
}

// Value undoes MakeAttr.
func (a Attr) Value() (any, error) {
	switch {
	case a.Type == "":
		return a.Values, nil
	case a.Type == "text":
		return string(a.Data), nil
	}
	elem, scalar := a.Type, true
	if len(elem) > 2 && elem[:2] == "[]" {
		elem, scalar = elem[2:], false
	}
	place := numbers[elem]
	if place == nil {
		return nil, fmt.Errorf("%w: attribute %s of type %q", ErrMalformed, a.Name, a.Type)
	}
	one, _ := place(1)
	n := len(a.Data) / binary.Size(one)
	if n*binary.Size(one) != len(a.Data) || scalar && n != 1 {
		return nil, fmt.Errorf("%w: attribute %s: %d bytes of %s", ErrMalformed, a.Name, len(a.Data), a.Type)
	}
	slice, first := place(n)
	if _, err := binary.Decode(a.Data, binary.LittleEndian, slice); err != nil {
		return nil, fmt.Errorf("%w: attribute %s: %w", ErrMalformed, a.Name, err)
	}
	if scalar {
		return first(), nil
	}
	return slice, nil
}
