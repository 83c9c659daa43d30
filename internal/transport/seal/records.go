package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// After the handshake a connection's records may be sealed and opened without
// crypto/tls, in the memory where they are sent from and received to. They are the same
// records: the other end cannot tell. Keys collects the secrets that the handshake
// agrees on, a Direction is one way of the connection.
type Keys struct{ log bytes.Buffer }

// Write implements tls.Config.KeyLogWriter.
func (k *Keys) Write(b []byte) (int, error) { return k.log.Write(b) }

// secret is what the key log calls so.
func (k *Keys) secret(label string) ([]byte, error) {
	for line := range bytes.Lines(k.log.Bytes()) {
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == label {
			return hex.DecodeString(string(f[2]))
		}
	}
	return nil, fmt.Errorf("encrypting: the handshake has left no %s", label)
}

// Directions are both ways of t, whose records sent and received since the handshake
// are counted, and forgets the secrets. client says that this end has opened it.
func (k *Keys) Directions(t *tls.Conn, client bool, sent, received uint64) (out, in *Direction, err error) {
	suite := t.ConnectionState().CipherSuite
	out, err = k.direction("CLIENT_TRAFFIC_SECRET_0", suite)
	if err != nil {
		return nil, nil, err
	}
	if in, err = k.direction("SERVER_TRAFFIC_SECRET_0", suite); err != nil {
		return nil, nil, err
	}
	if !client {
		out, in = in, out
	}
	out.seq, in.seq = sent, received
	clear(k.log.Bytes())
	k.log = bytes.Buffer{}
	return out, in, nil
}

const (
	// MaxData is the most data of a record, HeadBytes what lies before it and
	// TailBytes what lies behind: its inner type and the tag.
	MaxData   = 16 << 10
	HeadBytes = 5
	TailBytes = 1 + 16
	// MaxRecord is the longest record there is (RFC 8446, 5.2): others may pad.
	MaxRecord = HeadBytes + MaxData + 256

	handshake       = 22
	applicationData = 23

	// RecordsPerKey are sealed with one key; 2^24.5 are allowed (RFC 8446, 5.5).
	RecordsPerKey = 1 << 24
	// UpdateBytes is the length of the record that Update makes.
	UpdateBytes = HeadBytes + 5 + TailBytes
)

// keyUpdate is the message (RFC 8446, 4.6.3). It asks for no update in return.
var keyUpdate = [...]byte{24, 0, 0, 1, 0}

// ErrRecord means a record that is none, or has been changed on the way.
var ErrRecord = errors.New("encrypting: a record that the other end has not sent")

// A Direction seals, or opens, the records of one way of a connection, in their order
// (RFC 8446, 5.2 and 5.3).
type Direction struct {
	Left   int // records that are still to be sealed with this key
	suite  uint16
	secret []byte

	aead  cipher.AEAD
	iv    [12]byte
	nonce [12]byte
	seq   uint64
}

func (k *Keys) direction(label string, suite uint16) (*Direction, error) {
	secret, err := k.secret(label)
	if err != nil {
		return nil, err
	}
	d := &Direction{suite: suite, secret: secret}
	return d, d.begin()
}

// hash is the suite's.
func (d *Direction) hash() func() hash.Hash {
	if d.suite == tls.TLS_AES_256_GCM_SHA384 {
		return sha512.New384
	}
	return sha256.New
}

// begin makes the key of d's secret.
func (d *Direction) begin() (err error) {
	size := chacha20poly1305.KeySize
	switch d.suite {
	case tls.TLS_AES_128_GCM_SHA256:
		size = 16
	case tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256:
	default:
		return fmt.Errorf("encrypting: unknown cipher suite %s", tls.CipherSuiteName(d.suite))
	}
	key, err := d.expand("key", size)
	if err != nil {
		return err
	}
	iv, err := d.expand("iv", len(d.iv))
	if err != nil {
		return err
	}
	copy(d.iv[:], iv)
	d.seq, d.Left = 0, RecordsPerKey
	if d.suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		d.aead, err = chacha20poly1305.New(key)
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	d.aead, err = cipher.NewGCM(block)
	return err
}

// update replaces the secret by the next (RFC 8446, 7.2).
func (d *Direction) update() (err error) {
	if d.secret, err = d.expand("traffic upd", len(d.secret)); err == nil {
		err = d.begin()
	}
	return err
}

// expand is HKDF-Expand-Label without a context (RFC 8446, 7.1).
func (d *Direction) expand(label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len(label))), label...)
	return hkdf.Expand(d.hash(), d.secret, string(append(info, 0)), n)
}

// next is the nonce of the next record.
func (d *Direction) next() []byte {
	d.nonce = d.iv
	at := d.nonce[len(d.nonce)-8:]
	binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)^d.seq)
	d.seq++
	d.Left--
	return d.nonce[:]
}

// Seal makes a record of b, which is HeadBytes of any content and up to MaxData bytes
// of data, and has room for TailBytes more. It returns all of it.
func (d *Direction) Seal(b []byte) []byte { return d.seal(append(b, applicationData)) }

// Update makes a record, at the end of b, that tells the other end that the next key
// follows.
func (d *Direction) Update(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, UpdateBytes)...)
	d.seal(append(append(b[start:start+HeadBytes], keyUpdate[:]...), handshake))
	return b, d.update()
}

func (d *Direction) seal(b []byte) []byte {
	head, inner := b[:HeadBytes], b[HeadBytes:]
	head[0], head[1], head[2] = applicationData, 3, 3
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+d.aead.Overhead()))
	sealed := d.aead.Seal(inner[:0], d.next(), inner, head)
	return b[:HeadBytes+len(sealed)]
}

// Length is that of the record that b begins with, 0 if b is too short to tell.
func Length(b []byte) (int, error) {
	if len(b) < HeadBytes {
		return 0, nil
	}
	n := HeadBytes + int(binary.BigEndian.Uint16(b[3:]))
	if b[0] != applicationData || b[1] != 3 || b[2] != 3 || n > MaxRecord || n < HeadBytes+TailBytes {
		return 0, ErrRecord
	}
	return n, nil
}

// Open opens a whole record and returns its data, none of one that Update has made: in dst, if dst has room for
// TailBytes-16 more than there are, else where the record is. What lies behind the data
// in dst is overwritten as well.
func (d *Direction) Open(dst, record []byte) (data []byte, err error) {
	head, body := record[:HeadBytes], record[HeadBytes:]
	if len(dst) < len(body)-d.aead.Overhead() {
		dst = body
	}
	inner, err := d.aead.Open(dst[:0], d.next(), body, head)
	if err != nil {
		return nil, ErrRecord
	}
	n := len(inner)
	for n > 0 && inner[n-1] == 0 { // padding
		n--
	}
	switch {
	case n > 0 && inner[n-1] == applicationData:
		return inner[:n-1], nil
	case n > 0 && inner[n-1] == handshake && bytes.Equal(inner[:n-1], keyUpdate[:]):
		return nil, d.update()
	}
	return nil, ErrRecord // an alert perhaps, which no end of ours sends
}
