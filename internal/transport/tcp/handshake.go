package tcp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"gridrun/internal/wire"
)

// The handshake, D being the end that opened the connection, A the other one.
// All numbers are 4 bytes, little-endian.
//
//	D to A  hello      "GRTh" version D A nonceD[32]; "GRTl" for a lane
//	A to D  challenge  "GRTc" version A D nonceA[32] mac("acceptor")[32]
//	D to A  proof      mac("dialer")[32]
//	A to D  verdict    one byte
//
// mac(role) is HMAC-SHA256 with the job's key over role, version, job id, D, A
// and both nonces. The roles for a lane are "lane acceptor" and "lane dialer". The role keeps a MAC from being sent back to its maker, the
// fresh nonces keep a recorded one from being used again. Magic and version
// come first in every version, so two builds that do not fit say so.
const (
	helloMagic     = "GRTh"
	laneMagic      = "GRTl"
	challengeMagic = "GRTc"
	nonceSize      = 32
	openingSize    = 8 // magic and version
	helloSize      = openingSize + 8 + nonceSize
	challengeSize  = helloSize + sha256.Size
)

// A verdict ends the handshake.
type verdict byte

const (
	use   verdict = 1 // frames may follow
	yield verdict = 2 // another connection carries the frames
	gone  verdict = 3 // the link is down at this end
)

var (
	// ErrVersion means that the other end is another build of gridrun.
	ErrVersion = errors.New("built with another gridrun version")
	// ErrAuth means that the other end does not know the job's key, or is no gridrun.
	ErrAuth = errors.New("authentication failed")
)

// identity is what a process brings to a handshake.
type identity struct {
	job  string
	key  []byte
	proc int
}

type nonce [nonceSize]byte

func (id *identity) mac(role string, dialer, acceptor int, nd, na *nonce) []byte {
	m := hmac.New(sha256.New, id.key)
	b := append(make([]byte, 0, 128), "gridrun tcp "...)
	b = append(b, role...)
	b = append(b, 0)
	for _, v := range []int{wire.Version, len(id.job), dialer, acceptor} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, nd[:]...)
	b = append(b, na[:]...)
	b = append(b, id.job...)
	m.Write(b)
	return m.Sum(nil)
}

// opening is the fixed part of hello and challenge.
func opening(magic string, from, to int, n *nonce) []byte {
	b := append(make([]byte, 0, challengeSize), magic...)
	for _, v := range []int{wire.Version, from, to} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return append(b, n[:]...)
}

// readOpening reads a hello or challenge up to and including its nonce. magic is the
// one of those allowed that it begins with.
func readOpening(r io.Reader, allowed ...string) (magic string, from, to int, n nonce, err error) {
	var b [helloSize]byte
	if _, err = io.ReadFull(r, b[:openingSize]); err != nil {
		return "", 0, 0, n, err
	}
	magic = string(b[:4])
	if !slices.Contains(allowed, magic) {
		return "", 0, 0, n, fmt.Errorf("%w: no gridrun at the other end", ErrAuth)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != wire.Version {
		return "", 0, 0, n, fmt.Errorf("%w: wire version %d there, %d here; use one build on all hosts", ErrVersion, v, wire.Version)
	}
	if _, err = io.ReadFull(r, b[openingSize:]); err != nil {
		return "", 0, 0, n, noEOF(err)
	}
	from = int(binary.LittleEndian.Uint32(b[8:]))
	to = int(binary.LittleEndian.Uint32(b[12:]))
	copy(n[:], b[16:])
	return magic, from, to, n, nil
}

// role is that of a MAC on a connection that began with magic.
func role(magic, end string) string {
	if magic == laneMagic {
		return "lane " + end
	}
	return end
}

// challenge is the opening end's part up to where it knows that process peer is
// at the other end. It returns the proof to send, with which the connection may
// become the one that carries frames.
func (id *identity) challenge(c io.ReadWriter, peer int, magic string) (proof []byte, err error) {
	var mine nonce
	if _, err := rand.Read(mine[:]); err != nil {
		return nil, err
	}
	if _, err := c.Write(opening(magic, id.proc, peer, &mine)); err != nil {
		return nil, err
	}
	_, from, to, theirs, err := readOpening(c, challengeMagic)
	if err != nil {
		return nil, err
	}
	var mac [sha256.Size]byte
	if _, err := io.ReadFull(c, mac[:]); err != nil {
		return nil, noEOF(err)
	}
	if from != peer || to != id.proc {
		return nil, fmt.Errorf("%w: the connection leads from process %d to %d instead of %d to %d", ErrAuth, to, from, id.proc, peer)
	}
	if !hmac.Equal(mac[:], id.mac(role(magic, "acceptor"), id.proc, peer, &mine, &theirs)) {
		return nil, fmt.Errorf("%w: the other end has another key or job", ErrAuth)
	}
	return id.mac(role(magic, "dialer"), id.proc, peer, &mine, &theirs), nil
}

// conclude sends the proof and waits for the verdict.
func conclude(c io.ReadWriter, proof []byte) (verdict, error) {
	if _, err := c.Write(proof); err != nil {
		return 0, err
	}
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return 0, noEOF(err)
	}
	if v := verdict(b[0]); v == use || v == yield || v == gone {
		return v, nil
	}
	return 0, fmt.Errorf("%w: verdict %d", ErrAuth, b[0])
}

// accept is the accepting end's part up to where it knows which of the procs
// processes has opened the connection, and whether as a lane. The verdict is still to be
// sent.
func (id *identity) accept(c io.ReadWriter, procs int) (peer int, lane bool, err error) {
	magic, from, to, theirs, err := readOpening(c, helloMagic, laneMagic)
	if errors.Is(err, ErrVersion) {
		// Magic and version, all that the other end can understand.
		c.Write(opening(challengeMagic, 0, 0, new(nonce))[:openingSize])
	}
	if err != nil {
		return 0, false, err
	}
	if to != id.proc || from >= procs || from == to {
		return 0, false, fmt.Errorf("%w: a connection from process %d to %d arrived at %d", ErrAuth, from, to, id.proc)
	}
	var mine nonce
	if _, err := rand.Read(mine[:]); err != nil {
		return 0, false, err
	}
	b := opening(challengeMagic, id.proc, from, &mine)
	b = append(b, id.mac(role(magic, "acceptor"), from, id.proc, &theirs, &mine)...)
	if _, err := c.Write(b); err != nil {
		return 0, false, err
	}
	var proof [sha256.Size]byte
	if _, err := io.ReadFull(c, proof[:]); err != nil {
		return 0, false, noEOF(err)
	}
	if !hmac.Equal(proof[:], id.mac(role(magic, "dialer"), from, id.proc, &theirs, &mine)) {
		return 0, false, fmt.Errorf("%w: the other end has another key or job", ErrAuth)
	}
	return from, magic == laneMagic, nil
}

// noEOF turns an end of stream in the middle of a message into an error that says so.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
