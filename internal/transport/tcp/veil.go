package tcp

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// A veil lies between TLS and a TCP connection: what TLS reads and writes. At first,
// for the handshakes, that is the connection. Once the link's frames travel on it,
// which are polled, it is their socket, and never blocks:
//
//   - To read what is not there fails with an error that TLS takes for a passing one:
//     it keeps the part of a record that has come, and goes on from there.
//   - Records that are written gather in memory, and go to the kernel in one call for
//     as many as there are. What it does not take stays and goes first.
type veil struct {
	net.Conn
	tls *tls.Conn // above it
	raw rawSocket // nil at first

	mu      sync.Mutex // of what follows: TLS may answer while it reads
	records []byte     // not yet sent
	sent    int        // of them
	whole   [1][]byte  // for send

	held  int    // bytes that were sealed and are not all with the kernel; the writer's
	mixed []byte // memory that gathers short slices; likewise
}

// A rawSocket is a socket's system calls, as socket has them without a veil.
type rawSocket interface {
	recv(a, b []byte) (int, error)
	send(what [][]byte) (int, error)
}

const (
	// sealBytes is what goes to the kernel at once, as records of 16 KiB.
	sealBytes = 64 << 10
	// mixedBytes is the most that is gathered for one record, and longSlice the shortest
	// slice that is not.
	mixedBytes = 16 << 10
	longSlice  = 4 << 10
)

// again is errAgain as TLS must see it.
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

var errPasses net.Error = again{errAgain}

func (v *veil) Read(b []byte) (int, error) {
	if v.raw == nil {
		return v.Conn.Read(b)
	}
	n, err := v.raw.recv(b, nil)
	if err == errAgain {
		err = errPasses
	}
	return n, err
}

func (v *veil) Write(b []byte) (int, error) {
	if v.raw == nil {
		return v.Conn.Write(b)
	}
	v.mu.Lock()
	v.records = append(v.records, b...)
	v.mu.Unlock()
	return len(b), nil
}

// open fills b with what has come.
func (v *veil) open(b []byte) (int, error) {
	n, err := v.tls.Read(b)
	if n > 0 {
		return n, nil
	}
	if errors.Is(err, errPasses) {
		err = errAgain
	}
	return 0, err
}

// seal encrypts some of what and returns how much of it is with the kernel. The last
// of it may be encrypted and not: then the next call must be given the same again from
// there on, and does not look at it.
func (v *veil) seal(what [][]byte) (n int, err error) {
	at := 0 // in what[0]
	for {
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
		b := what[0][at:]
		if len(b) < longSlice && len(what) > 1 {
			b = v.gather(b, what[1:])
		}
		b = b[:min(len(b), sealBytes)]
		if _, err := v.tls.Write(b); err != nil {
			return n, err
		}
		v.held = len(b)
	}
}

// gather copies slices side by side, as much as a record takes.
func (v *veil) gather(first []byte, more [][]byte) []byte {
	v.mixed = append(v.mixed[:0], first...)
	for _, b := range more {
		if room := mixedBytes - len(v.mixed); len(b) >= room {
			return append(v.mixed, b[:room]...)
		}
		v.mixed = append(v.mixed, b...)
	}
	return v.mixed
}

// flush gives the kernel what is left, and says whether there is still a rest.
func (v *veil) flush() (rest bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.sent < len(v.records) {
		n, err := v.raw.send(append(v.whole[:0], v.records[v.sent:]))
		if n <= 0 || err != nil {
			return true, err
		}
		v.sent += n
	}
	v.records, v.sent = v.records[:0], 0
	return false, nil
}
