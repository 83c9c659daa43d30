//go:build !unix

package hostd

import (
	"errors"
	"net"

	"gridrun/internal/wire"
)

var errUnix = errors.New("a host service needs Unix sockets that carry descriptors")

func receive(*net.UnixConn) (wire.Message, []int, error) { return nil, nil, errUnix }

func closeAll([]int) {}

func streamConn(int) (*net.UnixConn, error) { return nil, errUnix }
