package tcp

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"

	"gridrun/internal/transport/seal"
)

// A veil lies between TLS and a TCP connection. For the handshakes it is what
// crypto/tls reads and writes. It counts the records that pass, and lets no more pass
// to be read than the record that TLS is at. Once the link's frames travel on the
// connection, which are polled, it seals and opens the records itself, as TLS would
// (seal.Direction), and never blocks:
//
//   - A message is sealed in the memory that it is sent from, a part while the other end
//     opens the one before. What the kernel does not take stays and goes first.
//   - What the kernel has is read into a buffer for several records, each of which is
//     opened to where its data belong, if there is room, else where it is.
type veil struct {
	net.Conn
	keys   seal.Keys
	client bool
	tls    *tls.Conn // above it

	// What passes while TLS has the connection.
	head   [seal.HeadBytes]byte // of the record that is read
	begun  int                  // bytes of head that are read
	left   int                  // of the record behind its head
	counts struct{ sent, received uint64 }
	whole  bool // TLS has it to the end: it may read as much as there is

	raw     rawSocket // nil at first
	out, in *seal.Direction

	// The writer's.
	records []byte    // not yet sent
	sent    int       // of them
	held    int       // bytes that were sealed and are not all with the kernel
	slice   [1][]byte // for send

	// The reader's.
	early bool   // TLS may have data of a record that it has opened
	buf   []byte // buf[r:w] is received and not opened
	r, w  int
	plain []byte // opened and not yet taken
	ended error  // why nothing more can be opened
}

// A rawSocket is a socket's system calls, as socket has them without a veil.
type rawSocket interface {
	recv(a, b []byte) (int, error)
	send(what [][]byte) (int, error)
}

const (
	// sealFirst records go to the kernel at once, so that the other end can begin to
	// open them, then sealRecords; and one more that has no more than shortRest bytes.
	sealFirst   = 2
	sealRecords = 4
	shortRest   = 4 << 10
	// openBytes are received at once.
	openBytes = 4 * (seal.HeadBytes + seal.MaxData + seal.TailBytes)
)

// errPasses is errAgain as TLS must see it: a passing one.
var errPasses net.Error = again{errAgain}

type again struct{ error }

func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// veilOf is the one below c, nil if there is none.
func veilOf(c net.Conn) *veil {
	if t, ok := c.(*tls.Conn); ok {
		v, _ := t.NetConn().(*veil)
		return v
	}
	return nil
}

// rises says that t's handshake is over: from here on records count.
func (v *veil) rises(t *tls.Conn) {
	v.tls = t
	v.counts.sent, v.counts.received = 0, 0
}

// Read is TLS's.
func (v *veil) Read(b []byte) (n int, err error) {
	switch {
	case v.raw != nil:
		return 0, errPasses
	case v.whole:
		return v.Conn.Read(b)
	case v.left > 0:
		n, err = v.Conn.Read(b[:min(len(b), v.left)])
		v.left -= n
		return n, err
	}
	n, err = v.Conn.Read(b[:min(len(b), len(v.head)-v.begun)])
	copy(v.head[v.begun:], b[:n])
	if v.begun += n; v.begun == len(v.head) {
		v.begun, v.left = 0, int(binary.BigEndian.Uint16(v.head[3:]))
		v.counts.received++
	}
	return n, err
}

// Write is TLS's, and takes whole records.
func (v *veil) Write(b []byte) (int, error) {
	if v.raw != nil {
		return 0, errors.New("crypto/tls writes on a connection that it has handed over")
	}
	for rest := b; len(rest) >= seal.HeadBytes; v.counts.sent++ {
		rest = rest[min(len(rest), seal.HeadBytes+int(binary.BigEndian.Uint16(rest[3:]))):]
	}
	return v.Conn.Write(b)
}

// learn readies the veil to do what TLS does, which it does as soon as raw is set.
func (v *veil) learn() (err error) {
	v.out, v.in, err = v.keys.Directions(v.tls, v.client, v.counts.sent, v.counts.received)
	if err == nil {
		v.early, v.buf = true, make([]byte, openBytes)
		v.records = make([]byte, 0, (sealRecords+1)*(seal.HeadBytes+seal.MaxData+seal.TailBytes)+seal.UpdateBytes)
	}
	return err
}

// open fills a, then b, with what has come, as source's read does.
func (v *veil) open(a, b []byte) (n int, err error) {
	if v.early {
		n, err := v.tls.Read(a)
		if n > 0 || !errors.Is(err, errPasses) {
			return n, err
		}
		v.early = false
	}
	for {
		if len(v.plain) > 0 {
			k := copy(a, v.plain)
			a, v.plain = a[k:], v.plain[k:]
			n += k
		}
		if len(a) == 0 {
			a, b = b, nil
		}
		switch {
		case len(a) == 0:
			return n, nil
		case len(v.plain) > 0:
			continue
		case v.ended != nil && n == 0:
			return 0, v.ended
		case v.ended != nil:
			return n, nil
		}
		size, err := seal.Length(v.buf[v.r:v.w])
		if err != nil {
			v.ended = err
			continue
		}
		if size == 0 || v.w-v.r < size {
			if n > 0 {
				return n, nil
			}
			if err := v.receive(); err != nil {
				return 0, err
			}
			continue
		}
		data, err := v.in.Open(a, v.buf[v.r:v.r+size])
		v.r += size
		switch {
		case err != nil:
			v.ended = err
		case len(data) > 0 && &data[0] == &a[0]:
			a = a[len(data):]
			n += len(data)
		default:
			v.plain = data
		}
	}
}

// receive brings more of the record at r.
func (v *veil) receive() error {
	if v.r == v.w {
		v.r, v.w = 0, 0
	} else if v.r > 0 && len(v.buf)-v.r < seal.MaxRecord {
		v.w = copy(v.buf, v.buf[v.r:v.w])
		v.r = 0
	}
	n, err := v.raw.recv(v.buf[v.w:], nil)
	v.w += n
	return err
}

// seal encrypts some of what and returns how much of it is with the kernel. The last
// of it may be encrypted and not: then the next call must be given the same again from
// there on, and does not look at it.
func (v *veil) seal(what [][]byte) (n int, err error) {
	at := 0 // in what[0]
	for most := sealFirst; ; most = sealRecords {
		if rest, err := v.flush(); rest || err != nil {
			return n, err
		}
		n, at = n+v.held, at+v.held
		v.held = 0
		for len(what) > 0 && at >= len(what[0]) {
			at -= len(what[0])
			what = what[1:]
		}
		if len(what) == 0 {
			return n, nil
		}
		if v.out.Left < 2*sealRecords {
			if v.records, err = v.out.Update(v.records); err != nil {
				return n, err
			}
		}
		i, from := 0, at
		for k := 0; i < len(what) && (k < most || k == most && len(what[i:]) == 1 && len(what[i])-from <= shortRest); k++ {
			start := len(v.records)
			v.records = append(v.records, v.head[:]...)
			for room := seal.MaxData; room > 0 && i < len(what); {
				b := what[i][from:]
				b = b[:min(len(b), room)]
				v.records = append(v.records, b...)
				room -= len(b)
				if from += len(b); from == len(what[i]) {
					i, from = i+1, 0
				}
			}
			v.held += len(v.records) - start - seal.HeadBytes
			v.records = v.records[:start+len(v.out.Seal(v.records[start:]))] // in place
		}
	}
}

// flush gives the kernel what is left, and says whether there is still a rest.
func (v *veil) flush() (rest bool, err error) {
	for v.sent < len(v.records) {
		v.slice[0] = v.records[v.sent:]
		n, err := v.raw.send(v.slice[:])
		if n <= 0 || err != nil {
			return true, err
		}
		v.sent += n
	}
	v.records, v.sent = v.records[:0], 0
	return false, nil
}
