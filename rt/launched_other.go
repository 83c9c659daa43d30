//go:build !linux

package rt

import "errors"

// launched needs Linux's control sockets: elsewhere nothing starts ranks.
func launched(string, Body) (code int, err error) { return refusal, errors.ErrUnsupported }
