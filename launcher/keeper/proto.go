package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"

	"gridrun/launcher/place"
)

// A Way is how ssh reaches hosts: the flags of the launcher that say so.
type Way struct {
	Command string // --launcher-command
	Config  string // --ssh-config, absolute
}

// A Host is what is kept: one login on one host.
type Host struct {
	Name, User string
	Port       int
}

// HostOf leaves out what is about ranks.
func HostOf(h place.Host) Host { return Host{h.Name, h.User, h.Port} }

// Place is the host as a Starter wants it.
func (h Host) Place() place.Host { return place.Host{Name: h.Name, User: h.User, Port: h.Port} }

func (h Host) String() string { return h.Place().String() }

// What a request asks for.
const (
	opStatus = "status"
	opUp     = "up"
	opAgent  = "agent"
	opSFTP   = "sftp"
	opDown   = "down"
)

// A request is the first thing that a client says.
type request struct {
	Op    string
	Way   Way
	Host  Host   // of agent and sftp
	Hosts []Host // of up
	Now   bool   // of down: also when jobs run
}

// A reply is what the keeper answers: one, or for `up` one a host and then one
// without a host.
type reply struct {
	Error    string
	Status   *Status     // of status
	Host     *HostStatus // of up
	Notice   string      // of up: a line for the user
	Platform string      // of agent, OS/ARCH
	Dir      string      // of agent: the cache directory
}

// Status is what a keeper says about itself.
type Status struct {
	Build string // SHA-256 of its binary
	Exe   string // which file that is, see exeID
	Pid   int
	Since int64 // Unix seconds
	Idle  int64 // nanoseconds without a job that end it
	Jobs  int   // agents that work for jobs
	Hosts []HostStatus
}

// HostStatus is one kept host.
type HostStatus struct {
	Host  Host
	Way   Way
	Up    bool
	Ready bool   // an agent waits for a job
	Why   string // when not up
	CPUs  int
	Jobs  int // agents there that work for jobs
}

// maxMessage bounds requests and replies, in bytes.
const maxMessage = 4 << 20

// errProtocol is what no keeper and no client of this build would say.
var errProtocol = errors.New("malformed message between gridrun and its keeper")

// writeMessage sends m: its length (4 bytes) and a msgpack map.
func writeMessage(w io.Writer, m any) error {
	b, err := msgpack.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("%w: %d bytes", errProtocol, len(b))
	}
	_, err = w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// readMessage receives what writeMessage has sent.
func readMessage(r io.Reader, m any) error {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return err
	}
	size := binary.LittleEndian.Uint32(n[:])
	if size == 0 || size > maxMessage {
		return fmt.Errorf("%w: length %d", errProtocol, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if err := msgpack.Unmarshal(b, m); err != nil {
		return fmt.Errorf("%w: %v", errProtocol, err)
	}
	return nil
}

// Bytes from a host come to the client in chunks: a length (4 bytes) and as many
// bytes. A chunk of length 0 is the last; an end follows it.

// maxChunk bounds a chunk, in bytes.
const maxChunk = 64 << 10

// An end is how the process on the host ended.
type end struct {
	Error string
	Down  bool // because `gridrun down --now` has ended the keeper
}

// copyChunks sends what it reads from r in chunks. readErr: r has ended.
func copyChunks(w io.Writer, r io.Reader) (readErr, writeErr error) {
	buf := make([]byte, 4+maxChunk)
	for {
		n, err := r.Read(buf[4:])
		if n > 0 {
			binary.LittleEndian.PutUint32(buf, uint32(n))
			if _, err := w.Write(buf[:4+n]); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return err, nil
		}
	}
}

func writeEnd(w io.Writer, e end) error {
	if _, err := w.Write(make([]byte, 4)); err != nil {
		return err
	}
	return writeMessage(w, e)
}

// A chunkReader gives the bytes of chunks.
type chunkReader struct {
	r    io.Reader
	left int
	end  *end // there after the last chunk
}

// Read returns io.EOF after the last chunk, io.ErrUnexpectedEOF without one.
func (c *chunkReader) Read(b []byte) (int, error) {
	for c.left == 0 {
		if c.end != nil {
			return 0, io.EOF
		}
		var n [4]byte
		if _, err := io.ReadFull(c.r, n[:]); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		size := binary.LittleEndian.Uint32(n[:])
		switch {
		case size > maxChunk:
			return 0, fmt.Errorf("%w: chunk of %d bytes", errProtocol, size)
		case size == 0:
			e := new(end)
			if err := readMessage(c.r, e); err != nil {
				return 0, io.ErrUnexpectedEOF
			}
			c.end = e
		}
		c.left = int(size)
	}
	n, err := c.r.Read(b[:min(len(b), c.left)])
	c.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
