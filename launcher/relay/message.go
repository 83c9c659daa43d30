package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// maxMessage bounds a message; the longest carries public keys.
const maxMessage = 1 << 20

// ErrProtocol is what the other side must not say.
var ErrProtocol = errors.New("not the protocol of a relay")

// A Message is one of its fields, the others nil.
type Message struct {
	Dial      *Dial     `msgpack:",omitempty"`
	Stage     *Stage    `msgpack:",omitempty"`
	HostKey   *HostKey  `msgpack:",omitempty"`
	Keys      *Keys     `msgpack:",omitempty"`
	Sign      *Sign     `msgpack:",omitempty"`
	Exec      *Exec     `msgpack:",omitempty"`
	Subsystem *Exec     `msgpack:",omitempty"`
	Push      *Push     `msgpack:",omitempty"`
	Progress  *Progress `msgpack:",omitempty"`
	Rest      *Rest     `msgpack:",omitempty"`
	Done      *Done     `msgpack:",omitempty"`
}

// Dial asks for a connection, to the relay.
type Dial struct {
	ID         uint64 // what the connection is called from now on
	Name       string // of the host, for messages
	Host, User string
	Port       int
	KeyAlias   string
	Addrs      []string // where the name leads on the launcher's machine, should the relay's not know it
	Algorithms []string // of host keys, best first
	Connect    time.Duration
}

// Stage says how far a Dial is and how long that may take.
type Stage struct {
	Name  string
	Limit time.Duration
}

// HostKey asks whether the host that answers at Addr may show Key; Done answers.
type HostKey struct {
	Addr string
	Key  []byte
}

// Keys asks what can be offered to the host, and is the answer.
type Keys struct {
	Public            [][]byte
	Offered, Unusable []string
}

// Sign asks for a signature by the key with the number, and is the answer.
type Sign struct {
	Key       int
	Algorithm string
	Data      []byte
	Format    string
	Blob      []byte
	Rest      []byte
	Error     string
}

// Exec asks for a process on a connection: a command, or a subsystem's name.
type Exec struct {
	Conn uint64
	What string
}

// Push asks the relay to bring files of its host to the directory Dir of the
// connection's.
type Push struct {
	Conn  uint64
	Dir   string
	Files []File
}

// A File lies at Path on the relay's host.
type File struct{ Path, Name, Hash string }

// Progress is told while files are pushed.
type Progress struct{ Done, Total int64 }

// Rest says that the launcher is about to be stopped (Ctrl-Z), or goes on. Done
// answers.
type Rest struct{ On bool }

// Done is the end of what was asked for, with Error when it failed.
type Done struct {
	Error   string
	Address string   // Dial: that was connected to
	Paths   []string // Push: of the files there
}

// Write sends a message: 4 bytes of length, little-endian, and a msgpack map.
func Write(w io.Writer, m *Message) error {
	body, err := msgpack.Marshal(m)
	if err != nil {
		return err
	}
	if len(body) > maxMessage {
		return fmt.Errorf("%w: a message of %d bytes", ErrProtocol, len(body))
	}
	_, err = w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// Read takes a message. It reads no byte more.
func Read(r io.Reader) (*Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes", ErrProtocol, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	m := new(Message)
	if err := msgpack.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return m, nil
}
