package hostd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

const word = "gridrun-service "

// greetingTime is how long a greeting of some 30 bytes may take.
const greetingTime = 30 * time.Second

// errGreeting is a stream that does not begin as Open would.
var errGreeting = errors.New("not a request for a service")

// greet asks.
func greet(w io.Writer, service string, version uint16) error {
	if len(service) > 255 {
		return fmt.Errorf("a service's name of %d bytes", len(service))
	}
	b := []byte(word)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = append(b, byte(len(service)))
	b = append(b, service...)
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("asking the host service for %s: %w", service, err)
	}
	return nil
}

// answer reads what the service says to it.
func answer(r io.Reader, service string) error {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return fmt.Errorf("asking the host service for %s: no answer: %w", service, err)
	}
	if size := binary.LittleEndian.Uint16(n[:]); size > 0 {
		text := make([]byte, size)
		if _, err := io.ReadFull(r, text); err != nil {
			return fmt.Errorf("asking the host service for %s: %w", service, err)
		}
		return fmt.Errorf("the host service has no %s for this program: %s", service, text)
	}
	return nil
}

// Open asks for a service on a stream to the host service, and returns when the
// stream is the service's.
func Open(stream io.ReadWriter, service string, version uint16) error {
	if err := greet(stream, service, version); err != nil {
		return err
	}
	return answer(stream, service)
}

// readGreeting reads what greet sent, and not a byte more.
func readGreeting(r io.Reader) (service string, version uint16, err error) {
	head := make([]byte, len(word)+3)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", 0, fmt.Errorf("%w: %w", errGreeting, err)
	}
	if string(head[:len(word)]) != word {
		return "", 0, fmt.Errorf("%w: it begins with %q", errGreeting, head[:len(word)])
	}
	name := make([]byte, head[len(word)+2])
	if _, err := io.ReadFull(r, name); err != nil {
		return "", 0, fmt.Errorf("%w: %w", errGreeting, err)
	}
	return string(name), binary.LittleEndian.Uint16(head[len(word):]), nil
}

// writeAnswer says yes ("") or why not.
func writeAnswer(w io.Writer, why string) error {
	why = why[:min(len(why), 1000)]
	_, err := w.Write(append(binary.LittleEndian.AppendUint16(nil, uint16(len(why))), why...))
	return err
}
