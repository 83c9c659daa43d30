//go:build !amd64

package kernel

import "math"

const least = math.MaxInt // no vectors

func vector[T any](l lane, o op, dst, src []T) (done int) { return 0 }
