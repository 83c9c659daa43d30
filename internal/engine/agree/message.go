package agree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// A Set holds members, by their rank in the group.
type Set []uint64

// NewSet returns an empty set with room for size members.
func NewSet(size int) Set { return make(Set, (size+63)/64) }

func (s Set) Has(r int) bool { return s[r/64]&(1<<(r%64)) != 0 }
func (s Set) Add(r int)      { s[r/64] |= 1 << (r % 64) }

// Len is the number of members.
func (s Set) Len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// merge adds all of t and says whether any was new.
func (s Set) merge(t Set) (grown bool) {
	for i, w := range t {
		grown = grown || w&^s[i] != 0
		s[i] |= w
	}
	return grown
}

// A Kind says what a message is; see the package's steps.
type Kind uint8

const (
	Vote Kind = 1 + iota
	Prepare
	Propose
	Ack
	Commit
	kindEnd
)

func (k Kind) String() string {
	return [...]string{"?", "Vote", "Prepare", "Propose", "Ack", "Commit"}[min(k, kindEnd)%kindEnd]
}

// A Value is what is agreed on.
type Value struct {
	Dead Set
	Flag bool
}

// A Message goes from one member to another.
type Message struct {
	Kind Kind
	// Dead is whom the sender calls dead.
	Dead Set
	// Flag is a Vote's.
	Flag bool
	// Accepted is the coordinator whose Value the voter has accepted; -1: none.
	Accepted int
	Value    Value // Vote with Accepted >= 0, Propose, Commit
}

// Encoded, a message is kind, flags (bit 0 Flag, bit 1 Value.Flag), Accepted+1
// in 4 bytes, then both sets; little-endian.
const fixed = 6

// Encode returns the message as bytes.
func (m *Message) Encode() []byte {
	b := make([]byte, fixed, fixed+16*len(m.Dead))
	b[0] = byte(m.Kind)
	if m.Flag {
		b[1] |= 1
	}
	if m.Value.Flag {
		b[1] |= 2
	}
	binary.LittleEndian.PutUint32(b[2:], uint32(m.Accepted+1))
	for i := range m.Dead {
		b = binary.LittleEndian.AppendUint64(b, m.Dead[i])
	}
	value := m.Value.Dead
	if value == nil {
		value = make(Set, len(m.Dead))
	}
	for i := range value {
		b = binary.LittleEndian.AppendUint64(b, value[i])
	}
	return b
}

// ErrMessage is what bytes that no member would send decode to.
var ErrMessage = errors.New("malformed agreement message")

// Decode reads a message in a group of size members.
func Decode(b []byte, size int) (m Message, err error) {
	words := len(NewSet(size))
	if len(b) != fixed+16*words {
		return m, fmt.Errorf("%w: %d bytes in a group of %d", ErrMessage, len(b), size)
	}
	m.Kind, m.Flag, m.Value.Flag = Kind(b[0]), b[1]&1 != 0, b[1]&2 != 0
	m.Accepted = int(binary.LittleEndian.Uint32(b[2:])) - 1
	if m.Kind == 0 || m.Kind >= kindEnd || b[1] > 3 || m.Accepted >= size {
		return m, fmt.Errorf("%w: % x", ErrMessage, b[:fixed])
	}
	read := func(at int) (Set, error) {
		s := make(Set, words)
		for i := range s {
			s[i] = binary.LittleEndian.Uint64(b[at+8*i:])
		}
		if r := size % 64; r > 0 && s[words-1]>>r != 0 {
			return nil, fmt.Errorf("%w: members beyond %d", ErrMessage, size)
		}
		return s, nil
	}
	if m.Dead, err = read(fixed); err != nil {
		return m, err
	}
	m.Value.Dead, err = read(fixed + 8*words)
	return m, err
}

// IsCommit says that bytes, if they are a message, are one that tells an outcome.
func IsCommit(b []byte) bool { return len(b) > 0 && Kind(b[0]) == Commit }

func (v Value) clone() Value { return Value{slices.Clone(v.Dead), v.Flag} }
