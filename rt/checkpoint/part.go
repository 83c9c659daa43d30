package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
)

// A file is a word, the length of a msgpack header (4 bytes) and the header,
// then the values' bytes one after the other, and last the CRC-32C of all that
// (4 bytes); little-endian. `complete` has a header only.
const (
	partWord     = "grckprt1"
	completeWord = "grckall1"
	maxHeader    = 64 << 20
)

// ErrDamaged is wrapped by what is found in a file that is not as it was written.
var ErrDamaged = errors.New("damaged checkpoint")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A partHeader describes one rank's part.
type partHeader struct {
	Step        int64
	Rank, Ranks int
	Host        string
	Vars        []varHeader
}

type varHeader struct {
	Name, Kind string
	Size       int64
}

// A manifest is what `complete` says.
type manifest struct {
	Step  int64
	Parts []partInfo
}

type partInfo struct {
	Size int64
	Sum  uint32 // the file's last 4 bytes
	Host string
}

// seal makes a file of a header and the values behind it.
func seal(word string, header any, values ...[]byte) ([]byte, uint32, error) {
	h, err := msgpack.Marshal(header)
	if err != nil {
		return nil, 0, err
	}
	n := len(word) + 4 + len(h) + 4
	for _, v := range values {
		n += len(v)
	}
	b := make([]byte, 0, n)
	b = append(b, word...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h)))
	b = append(b, h...)
	for _, v := range values {
		b = append(b, v...)
	}
	sum := crc32.Checksum(b, castagnoli)
	return binary.LittleEndian.AppendUint32(b, sum), sum, nil
}

// unseal checks a file and returns what stands behind its header.
func unseal(word string, b []byte, header any) (rest []byte, err error) {
	if len(b) < len(word)+8 || !bytes.HasPrefix(b, []byte(word)) {
		return nil, fmt.Errorf("%w: %d bytes that do not begin as they should", ErrDamaged, len(b))
	}
	body := b[:len(b)-4]
	if sum := crc32.Checksum(body, castagnoli); sum != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, fmt.Errorf("%w: the checksum is %08x, it was %08x", ErrDamaged, sum, b[len(body):])
	}
	n := int(binary.LittleEndian.Uint32(body[len(word):]))
	body = body[len(word)+4:]
	if n > len(body) || n > maxHeader {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrDamaged, n)
	}
	if err := msgpack.Unmarshal(body[:n], header); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return body[n:], nil
}

// encodePart makes a rank's part.
func encodePart(h partHeader, vars []Var) ([]byte, uint32, error) {
	var values [][]byte
	for _, v := range vars {
		if slices.ContainsFunc(h.Vars, func(o varHeader) bool { return o.Name == v.name }) {
			return nil, 0, fmt.Errorf("two variables are named %q", v.name)
		}
		data, err := v.read()
		if err != nil {
			return nil, 0, fmt.Errorf("variable %q: %w", v.name, err)
		}
		h.Vars = append(h.Vars, varHeader{v.name, v.kind, int64(len(data))})
		values = append(values, data)
	}
	return seal(partWord, h, values...)
}

// A part is a file that has been read and found whole.
type part struct {
	partHeader
	data map[string][]byte
}

func decodePart(b []byte) (p part, err error) {
	rest, err := unseal(partWord, b, &p.partHeader)
	if err != nil {
		return p, err
	}
	p.data = make(map[string][]byte, len(p.Vars))
	for _, v := range p.Vars {
		if v.Size < 0 || v.Size > int64(len(rest)) {
			return p, fmt.Errorf("%w: variable %q of %d bytes, %d are left", ErrDamaged, v.Name, v.Size, len(rest))
		}
		p.data[v.Name], rest = rest[:v.Size], rest[v.Size:]
	}
	if len(rest) > 0 {
		return p, fmt.Errorf("%w: %d bytes too many", ErrDamaged, len(rest))
	}
	return p, nil
}

// check says whether the part has all of vars.
func (p *part) check(vars []Var) error {
	for _, v := range vars {
		i := slices.IndexFunc(p.Vars, func(o varHeader) bool { return o.Name == v.name })
		if i < 0 {
			return fmt.Errorf("no variable %q was saved", v.name)
		}
		if p.Vars[i].Kind != v.kind {
			return fmt.Errorf("variable %q was saved as %s, it is %s", v.name, p.Vars[i].Kind, v.kind)
		}
	}
	return nil
}

func (p *part) fill(vars []Var) error {
	for _, v := range vars {
		if err := v.set(p.data[v.name]); err != nil {
			return fmt.Errorf("variable %q: %w", v.name, err)
		}
	}
	return nil
}
