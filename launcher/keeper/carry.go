package keeper

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"time"

	"gridrun/internal/wire"
)

// agent hands the host's spare to a job.
func (k *Keeper) agent(c *net.UnixConn, r request) {
	h, err := k.find(r)
	if err != nil {
		writeMessage(c, reply{Error: err.Error()})
		return
	}
	s, l, err := h.take(k.ctx)
	if err != nil {
		writeMessage(c, reply{Error: err.Error()})
		return
	}
	defer l.leave()
	k.count(h, 1)
	defer k.count(h, -1)
	platform, dir := s.process.Where()
	hello := s.hello
	carry(c, s.process, &cutReader{s.stream.Rest(), &k.downed}, func() error {
		if err := writeMessage(c, reply{Platform: platform, Dir: dir}); err != nil {
			return err
		}
		// The spare has had its greeting and said its own.
		return greet(c, &hello)
	})
}

// greet says to the job what the spare has said, and takes the job's greeting.
func greet(c *net.UnixConn, hello *wire.Hello) error {
	out := chunkWriter{c}
	stream, err := wire.NewStream(c, out)
	if err != nil {
		return err
	}
	if err := stream.Send(hello); err != nil {
		return err
	}
	magic := make([]byte, len(wire.Magic))
	if _, err := io.ReadFull(c, magic); err != nil {
		return err
	}
	if string(magic) != wire.Magic {
		return errProtocol
	}
	return nil
}

// count notes that one more, or one less, agent of h works for jobs. Soon after
// the last one it is time for new spares: started before, they would compete with
// the job's end on other hosts.
func (k *Keeper) count(h *kept, n int) {
	h.change(func() { h.jobs += n })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.jobs += n
	k.used = time.Now()
	if k.jobs == 0 {
		time.AfterFunc(rest, k.refill)
	}
}

// rest is how long after the last agent's end new ones are started: launchers
// that hear of it need the processors first. A job that comes earlier asks.
const rest = 100 * time.Millisecond

// refill has every host start a spare where there is none.
func (k *Keeper) refill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.order {
		h.refill()
	}
}

// sftp opens a channel for files.
func (k *Keeper) sftp(c *net.UnixConn, r request) {
	h, err := k.find(r)
	if err != nil {
		writeMessage(c, reply{Error: err.Error()})
		return
	}
	h.mu.Lock()
	l := h.link
	h.mu.Unlock()
	if l == nil || !l.use() {
		writeMessage(c, reply{Error: "the connection to the host was lost"})
		return
	}
	defer l.leave()
	// On a connection that is cut nothing answers.
	late := time.AfterFunc(sftpLimit, l.Close)
	p, err := l.SFTP()
	late.Stop()
	if err != nil {
		writeMessage(c, reply{Error: err.Error()})
		return
	}
	carry(c, p, &cutReader{p, &k.downed}, func() error { return writeMessage(c, reply{}) })
}

// sftpLimit is how long a host may take to open a channel for files.
const sftpLimit = 20 * time.Second

// carryLimit is how long a process that was killed may take to end before it is
// left alone: its connection is cut.
const carryLimit = 5 * time.Second

// A cutReader is what a process says until the keeper is taken down: what an
// agent then says of its launcher would be taken for the reason.
type cutReader struct {
	r    io.Reader
	down *atomic.Bool
}

func (c *cutReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.down.Load() {
		return 0, io.EOF
	}
	return n, err
}

// carry passes bytes between a client and a process, after begin, until both
// have ended.
func carry(c *net.UnixConn, p Process, out *cutReader, begin func() error) {
	if begin() != nil {
		p.Kill()
	}
	input, output := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(input)
		if _, err := io.Copy(struct{ io.Writer }{p}, c); err != nil || p.CloseWrite() != nil {
			p.Kill()
		}
	}()
	go func() {
		defer close(output)
		if _, err := copyChunks(c, out); err != nil {
			p.Kill()
		}
		io.Copy(io.Discard, out.r)
		e := end{}
		if err := p.Wait(); err != nil {
			e.Error = err.Error()
		}
		e.Down = out.down.Load()
		writeEnd(c, e) // fails where the client has gone
	}()
	select {
	case <-output:
		c.CloseRead()
		<-input
		return
	case <-input:
	}
	select {
	case <-output:
	case <-time.After(carryLimit):
	}
}

// A chunkWriter writes each message as a chunk.
type chunkWriter struct{ w io.Writer }

func (c chunkWriter) Write(b []byte) (int, error) {
	if len(b) > maxChunk {
		return 0, errProtocol
	}
	if _, err := c.w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}
