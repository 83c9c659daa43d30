//go:build !linux

package link

import (
	"errors"
	"net"

	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
)

// Unix needs Linux: elsewhere there is no host service.
func Unix(c *net.UnixConn) Link { return &socket{c} }

type socket struct{ *net.UnixConn }

var errLinux = errors.New("a cache shared by processes needs Linux")

func (*socket) Share([]byte, *memory.Region) error { return errLinux }

func (*socket) Receive() (proto.Frame, *memory.Region, error) { return nil, nil, errLinux }
