package tcp

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// PreambleSize is the length in bytes of what opens a connection to a host's
// listening port.
const PreambleSize = 8

const preambleMagic = "GRT1"

// Preamble says for which process of the host a connection is: "GRT1" and the
// process number (4 bytes, little-endian). Whoever listens reads it and passes
// the connection on; it proves nothing.
func Preamble(proc int) []byte {
	return binary.LittleEndian.AppendUint32([]byte(preambleMagic), uint32(proc))
}

// ParsePreamble returns the process number that b, PreambleSize bytes, names.
func ParsePreamble(b []byte) (proc int, err error) {
	if len(b) != PreambleSize || string(b[:4]) != preambleMagic {
		return 0, fmt.Errorf("tcp: not the preamble of a gridrun connection: %q", b)
	}
	p := binary.LittleEndian.Uint32(b[4:])
	if p > 1<<31-1 {
		return 0, fmt.Errorf("tcp: preamble for process %d", p)
	}
	return int(p), nil
}

// DialPreamble connects to the listening port addr (host:port) and asks there
// for process proc.
func DialPreamble(ctx context.Context, addr string, proc int) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if t, ok := ctx.Deadline(); ok {
		c.SetWriteDeadline(t)
		defer c.SetWriteDeadline(time.Time{})
	}
	if _, err := c.Write(Preamble(proc)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
