package checkpoint

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"gridrun/internal/engine"
)

// A Var is a named variable: Save reads it, Load sets it.
type Var struct {
	name string
	kind string // the layout of a slice's elements; "value": msgpack
	read func() ([]byte, error)
	set  func(data []byte) error
}

// Slice is a slice of numbers, or of anything that holds no pointers, saved as
// it is in memory. Load makes it as long as it was.
func Slice[T any](name string, x *[]T) Var {
	sig, err := engine.SignatureOf[T]()
	return Var{
		name: name,
		kind: sig.String(),
		read: func() ([]byte, error) { return engine.Bytes(*x), err },
		set: func(data []byte) error {
			if err != nil {
				return err
			}
			size := len(engine.Bytes(make([]T, 1)))
			if size == 0 || len(data)%size != 0 {
				return fmt.Errorf("%d bytes are no elements of %d", len(data), size)
			}
			if n := len(data) / size; cap(*x) >= n {
				*x = (*x)[:n]
			} else {
				*x = make([]T, n)
			}
			copy(engine.Bytes(*x), data)
			return nil
		},
	}
}

// Value is any one value that msgpack encodes.
func Value[T any](name string, v *T) Var {
	return Var{
		name: name,
		kind: "value",
		read: func() ([]byte, error) { return msgpack.Marshal(*v) },
		set: func(data []byte) error {
			var fresh T
			if err := msgpack.Unmarshal(data, &fresh); err != nil {
				return err
			}
			*v = fresh
			return nil
		},
	}
}
