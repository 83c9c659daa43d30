package reach

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"gridrun/internal/wire"
)

const (
	magic      = "GRT1"
	nonceSize  = 16
	hashSize   = 8
	askSize    = 8 + hashSize + 8 + nonceSize
	answerHead = 8 + 8 + nonceSize
	answerSize = answerHead + sha256.Size
	proofSize  = sha256.Size
)

// Service is the process number of host h's service.
func Service(h int) int { return -1 - h }

// A Status is what a port's owner says of the process that is asked for.
type Status uint32

const (
	Here    Status = 1 // the connection is passed on
	Ended   Status = 2 // it was on this host and has ended
	Unknown Status = 3 // it is not on this host
	Failed  Status = 4 // the host service cannot be started
)

func (s Status) String() string {
	switch s {
	case Here:
		return "here"
	case Ended:
		return "has ended"
	case Unknown:
		return "not on that host"
	case Failed:
		return "could not be started there"
	}
	return fmt.Sprintf("status %d", uint32(s))
}

var (
	errNoGridrun = errors.New("no gridrun answers there")
	errVersion   = errors.New("another version of gridrun answers there; use one build on all hosts")
	errOtherJob  = errors.New("of another job")
	errKey       = errors.New("who answers there does not know this job's key")
)

type nonce [nonceSize]byte

func newNonce() (n nonce) {
	rand.Read(n[:]) // never fails
	return n
}

// A job is what both ends must share.
type job struct {
	id   string
	key  []byte
	hash [hashSize]byte
}

func newJob(id string, key []byte) job {
	h := sha256.Sum256([]byte("gridrun job " + id))
	return job{id, key, [hashSize]byte(h[:])}
}

// An ask is the dialer's first word.
type ask struct {
	job      [hashSize]byte
	from, to int
	nonce    nonce
}

// An answer is the owner's word, without its MAC.
type answer struct {
	status Status
	host   int
	nonce  nonce
}

func (j *job) mac(role string, q *ask, a *answer) []byte {
	b := append(make([]byte, 0, 128), "gridrun port "...)
	b = append(b, role...)
	b = append(b, 0)
	for _, v := range []int{wire.Version, q.from, q.to, a.host, int(a.status)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, q.nonce[:]...)
	b = append(b, a.nonce[:]...)
	b = append(b, j.id...)
	m := hmac.New(sha256.New, j.key)
	m.Write(b)
	return m.Sum(nil)
}

func opening(size int) []byte {
	b := append(make([]byte, 0, size), magic...)
	return binary.LittleEndian.AppendUint32(b, wire.Version)
}

func (q *ask) encode() []byte {
	b := append(opening(askSize), q.job[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(q.from)))
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(q.to)))
	return append(b, q.nonce[:]...)
}

// readAsk reads an ask of job j. With errVersion nothing but the opening was read.
func (j *job) readAsk(r io.Reader) (q ask, err error) {
	var b [askSize]byte
	if err := readOpening(r, b[:]); err != nil {
		return q, err
	}
	copy(q.job[:], b[8:])
	if q.job != j.hash {
		return q, errOtherJob
	}
	q.from = int(int32(binary.LittleEndian.Uint32(b[16:])))
	q.to = int(int32(binary.LittleEndian.Uint32(b[20:])))
	copy(q.nonce[:], b[24:])
	return q, nil
}

func (a *answer) encode(mac []byte) []byte {
	b := binary.LittleEndian.AppendUint32(opening(answerSize), uint32(a.status))
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(a.host)))
	b = append(b, a.nonce[:]...)
	return append(b, mac...)
}

// readAnswer reads the answer to q. An error means that it is not an answer of
// this job; host and status are for the caller to judge.
func (j *job) readAnswer(r io.Reader, q *ask) (a answer, err error) {
	var b [answerSize]byte
	if err := readOpening(r, b[:]); err != nil {
		return a, err
	}
	a.status = Status(binary.LittleEndian.Uint32(b[8:]))
	a.host = int(int32(binary.LittleEndian.Uint32(b[12:])))
	copy(a.nonce[:], b[16:])
	if !hmac.Equal(b[answerHead:], j.mac("owner", q, &a)) {
		return a, errKey
	}
	return a, nil
}

// readOpening fills b, which must begin with magic and version; what comes
// behind them is read only when they are right.
func readOpening(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b[:8]); err != nil {
		return err
	}
	if string(b[:4]) != magic {
		return errNoGridrun
	}
	if binary.LittleEndian.Uint32(b[4:]) != wire.Version {
		return errVersion
	}
	_, err := io.ReadFull(r, b[8:])
	return err
}
