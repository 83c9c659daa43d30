package seal

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// directions are the server's end of a connection as crypto/tls has it and the client's
// as we do, with what lies below it.
func directions(t testing.TB) (server *tls.Conn, out, in *Direction, wire net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	var keys Keys
	served := make(chan error)
	key := bytes.Repeat([]byte{3}, 32)
	go func() {
		s, err := New("job", key, 1)
		if err == nil {
			server, _, err = s.Server(context.Background(), b, nil)
		}
		served <- err
	}()
	var client *tls.Conn
	s, err := New("job", key, 0)
	if err == nil {
		client, err = s.Client(context.Background(), a, 1, &keys)
	}
	if other := <-served; err != nil || other != nil {
		t.Fatal(err, other)
	}
	if out, in, err = keys.Directions(client, true, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keys.Directions(client, true, 0, 0); err == nil {
		t.Error("the secrets are there still")
	}
	return server, out, in, a
}

// with is a record's memory with data in it.
func with(data []byte) []byte {
	return append(make([]byte, HeadBytes, HeadBytes+len(data)+TailBytes), data...)
}

// Records of a Direction are those of crypto/tls: either opens what the other has
// sealed, also after keys were updated.
func TestRecordsAreThoseOfTLS(t *testing.T) {
	server, out, in, wire := directions(t)
	read := func() []byte {
		t.Helper()
		b := make([]byte, MaxRecord)
		if _, err := io.ReadFull(wire, b[:HeadBytes]); err != nil {
			t.Fatal(err)
		}
		n, err := Length(b[:HeadBytes])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(wire, b[HeadBytes:n]); err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
	for i, n := range []int{1, 2, 100, MaxData - 1, MaxData, 5} {
		data := bytes.Repeat([]byte{byte(i + 1)}, n)
		record := out.Seal(with(data))
		if length, err := Length(record); length != len(record) || err != nil {
			t.Fatalf("%d bytes of data: a record of %d, its head says %d, %v", n, len(record), length, err)
		}
		if i%2 == 1 { // the next one has another key
			update, err := out.Update(record)
			if err != nil || len(update) != len(record)+UpdateBytes || out.Left != RecordsPerKey {
				t.Fatalf("%d bytes more for an update, %v", len(update)-len(record), err)
			}
			record = update
		}
		go wire.Write(record)
		got := make([]byte, n)
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("crypto/tls, %d bytes: %v, or others", n, err)
		}
		go server.Write(data)
		got, err := in.Open(make([]byte, i%2*MaxRecord), read()) // elsewhere, and where it is
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes of crypto/tls: %v, or others", n, err)
		}
	}
}

// What is no record, or not the next one, is refused, and so is what it says of keys
// unless it is an update.
func TestRecordsRefused(t *testing.T) {
	for name, head := range map[string][]byte{
		"an alert in the clear": {21, 3, 3, 0, 20},
		"another version":       {23, 3, 1, 0, 20},
		"no room for a tag":     {23, 3, 3, 0, 16},
		"too long":              {23, 3, 3, 0x41, 1},
	} {
		if n, err := Length(head); err == nil {
			t.Errorf("%s: a record of %d bytes", name, n)
		}
	}
	if n, err := Length([]byte{23, 3, 3, 1}); n != 0 || err != nil {
		t.Error("half a head:", n, err)
	}
	_, out, _, _ := directions(t)
	twin := *out
	first, second := out.Seal(with([]byte("one"))), out.Seal(with([]byte("two")))
	try := twin
	if _, err := try.Open(nil, bytes.Clone(second)); err == nil {
		t.Error("the second record is opened as the first")
	}
	for i := range first {
		changed, try := bytes.Clone(first), twin
		changed[i] ^= 1
		if _, err := try.Open(nil, changed); err == nil {
			t.Errorf("opened though byte %d was changed", i)
		}
	}
	if b, err := twin.Open(nil, first); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	for _, kind := range []byte{0, 21, handshake} {
		sealer := twin
		record := sealer.seal(append(with([]byte{1, 0}), kind))
		if _, err := twin.Open(nil, record); err == nil {
			t.Errorf("a record of kind %d is data", kind)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	_, out, _, _ := directions(b)
	record := make([]byte, HeadBytes+MaxData, HeadBytes+MaxData+TailBytes)
	data := make([]byte, MaxData)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(MaxData)
		for b.Loop() {
			copy(record[HeadBytes:], data)
			out.Seal(record)
		}
	})
	// What is opened is the same record again and again.
	twin := *out
	sealed := bytes.Clone(out.Seal(record))
	dst := make([]byte, MaxRecord)
	b.Run("open", func(b *testing.B) {
		b.SetBytes(MaxData)
		for b.Loop() {
			in := twin
			if _, err := in.Open(dst, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
