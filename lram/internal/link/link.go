// Package link is the stream between a rank and the server of its cache: a
// Unix socket between processes, a pipe inside one. Besides bytes it carries
// one thing, once: the server's memory region, with the frame that welcomes
// the rank. Between the servers of two hosts it carries bytes only.
package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
)

// A Link is one end.
type Link interface {
	io.ReadWriteCloser
	// Share writes a whole frame and hands the region over with it.
	Share(frame []byte, r *memory.Region) error
	// Receive reads one frame and the region that came with it, nil if none did. The region is the caller's.
	Receive() (proto.Frame, *memory.Region, error)
}

// frameFrom reads one frame behind its length, byte for byte: a buffer would swallow what follows.
func frameFrom(r io.Reader, head []byte) (proto.Frame, error) {
	n := binary.LittleEndian.Uint32(head)
	if n > proto.MaxFrame {
		return nil, fmt.Errorf("%w: length %d", proto.ErrMalformed, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return proto.Decode(b)
}

// Pipe joins two ends inside this process; they share the mapping itself.
func Pipe() (rank, server Link) {
	a, b := net.Pipe()
	regions := make(chan *memory.Region, 1)
	return &pipe{a, regions}, &pipe{b, regions}
}

// Stream makes a link of a connection to another host: no region comes with it.
func Stream(c net.Conn) Link { return stream{c} }

type stream struct{ net.Conn }

func (stream) Share([]byte, *memory.Region) error {
	return errors.New("memory cannot be shared with another host")
}

func (s stream) Receive() (proto.Frame, *memory.Region, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(s, head); err != nil {
		return nil, nil, err
	}
	f, err := frameFrom(s, head)
	return f, nil, err
}

type pipe struct {
	net.Conn
	regions chan *memory.Region
}

func (p *pipe) Share(frame []byte, r *memory.Region) error {
	if len(p.regions) > 0 {
		return errors.New("a region has been shared already")
	}
	p.regions <- r.Share()
	if _, err := p.Write(frame); err != nil {
		select {
		case r := <-p.regions:
			r.Close()
		default:
		}
		return err
	}
	return nil
}

func (p *pipe) Receive() (proto.Frame, *memory.Region, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(p, head); err != nil {
		return nil, nil, err
	}
	f, err := frameFrom(p, head)
	select {
	case r := <-p.regions:
		if err != nil {
			r.Close()
			return nil, nil, err
		}
		return f, r, nil
	default:
		return f, nil, err
	}
}
