//go:build linux

package link

import (
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
)

// Unix makes a link of a Unix stream socket; the descriptor of the region travels as SCM_RIGHTS.
func Unix(c *net.UnixConn) Link { return &socket{c} }

type socket struct{ *net.UnixConn }

func (s *socket) Share(frame []byte, r *memory.Region) error {
	n, _, err := s.WriteMsgUnix(frame, unix.UnixRights(r.Descriptor()), nil)
	if err == nil && n < len(frame) {
		_, err = s.Write(frame[n:])
	}
	return err
}

func (s *socket) Receive() (proto.Frame, *memory.Region, error) {
	head, oob := make([]byte, 4), make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := s.ReadMsgUnix(head, oob)
	if err != nil {
		return nil, nil, err
	}
	var region *memory.Region
	if oobn > 0 {
		region, err = regionFrom(oob[:oobn])
		if err != nil {
			return nil, nil, err
		}
	}
	var f proto.Frame
	if n == 0 {
		err = io.EOF
	} else if _, err = io.ReadFull(s, head[n:]); err == nil {
		f, err = frameFrom(s, head)
	}
	if err != nil && region != nil {
		region.Close()
		region = nil
	}
	return f, region, err
}

// regionFrom maps the one descriptor among the control messages.
func regionFrom(oob []byte) (*memory.Region, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("descriptor of the cache's memory: %w", err)
	}
	var fds []int
	for i := range msgs {
		if got, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	if len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("%w: %d descriptors where the cache's memory was expected", proto.ErrMalformed, len(fds))
	}
	unix.CloseOnExec(fds[0])
	return memory.Map(fds[0])
}
