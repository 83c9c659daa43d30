package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/agents"
	"gridrun/launcher/relay"
	"gridrun/launcher/ship"
)

// relayVerb is the part of gridrun's binary that is [Relay].
const relayVerb = "__relay"

// Relay is the process on an inner host that connects to others for the
// launcher, which conn leads to. It ends with conn, or when nothing has been
// heard for patience, and with it all its connections.
func Relay(conn io.ReadWriteCloser, patience time.Duration) error {
	session, err := relay.Server(conn, patience)
	if err != nil {
		return err
	}
	defer session.Close()
	ctx, cancel := context.WithCancel(context.Background())
	r := &relayHost{ctx: ctx, deadlines: sshconn.Deadlines{}.WithDefaults(), conns: map[uint64]sshconn.Connection{}, addrs: map[string][]netip.Addr{}}
	r.names = sshconn.NewNames(r.lookup)
	r.dialer = sshconn.NewDialer(perAddress, r.deadlines, r.names)
	var streams sync.WaitGroup
	defer streams.Wait()
	defer cancel()
	for {
		stream, err := session.Accept()
		if err != nil {
			return nil // the launcher needs us no longer, or is gone
		}
		streams.Go(func() {
			defer stream.Close()
			m, err := relay.Read(stream)
			switch {
			case err != nil:
			case m.Rest != nil:
				session.Rest(m.Rest.On)
				relay.Write(stream, done(nil))
			default:
				r.serve(stream, m)
			}
		})
	}
}

// A relayHost is a running relay.
type relayHost struct {
	ctx       context.Context
	names     *sshconn.Names
	dialer    *sshconn.Dialer
	deadlines sshconn.Deadlines
	files     relayFiles

	mu    sync.Mutex
	conns map[uint64]sshconn.Connection
	addrs map[string][]netip.Addr // as the launcher knows them
}

// lookup asks this host, and goes by what the launcher knows where it knows nothing.
func (r *relayHost) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	found, err := sshconn.SystemLookup(ctx, name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if theirs := r.addrs[name]; err != nil && len(theirs) > 0 {
		return theirs, nil
	}
	return found, err
}

func (r *relayHost) find(id uint64) (sshconn.Connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.conns[id]; c != nil {
		return c, nil
	}
	return nil, agents.ErrCut
}

// serve does what the first message of a stream asks for.
func (r *relayHost) serve(stream net.Conn, m *relay.Message) {
	switch {
	case m.Dial != nil:
		r.dial(stream, m.Dial)
	case m.Exec != nil:
		r.process(stream, m.Exec, sshconn.Connection.Exec)
	case m.Subsystem != nil:
		r.process(stream, m.Subsystem, sshconn.Connection.Subsystem)
	case m.Push != nil:
		r.push(stream, m.Push)
	default:
		relay.Write(stream, done(relay.ErrProtocol))
	}
}

func done(err error) *relay.Message {
	d := &relay.Done{}
	if err != nil {
		d.Error = err.Error()
	}
	return &relay.Message{Done: d}
}

// dial connects to a host and holds the connection until the stream ends.
func (r *relayHost) dial(stream net.Conn, d *relay.Dial) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	answers := make(chan *relay.Message)
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() {
		defer cancel() // the launcher has no use for the connection any more
		defer close(answers)
		for {
			m, err := relay.Read(stream)
			if err != nil {
				return
			}
			select {
			case answers <- m:
			case <-ctx.Done():
				return
			}
		}
	})
	defer wake(stream)
	var mu sync.Mutex
	send := func(m *relay.Message) error {
		mu.Lock()
		defer mu.Unlock()
		return relay.Write(stream, m)
	}
	w := sshconn.NewWatch(ctx)
	defer w.Stop()
	w.Told = func(stage sshconn.Stage, limit time.Duration) {
		send(&relay.Message{Stage: &relay.Stage{Name: string(stage), Limit: limit}})
	}
	r.know(d)
	hop := sshconf.Hop{
		Target: sshconf.Target{Name: d.Name}, Host: d.Host, User: d.User, Port: d.Port, KeyAlias: d.KeyAlias, ConnectTimeout: d.Connect,
	}
	conn, address, err := r.dialer.Dial(w, []sshconf.Hop{hop}, &asker{algorithms: d.Algorithms, send: send, answers: answers})
	answer := done(err)
	answer.Done.Address = address
	if err != nil {
		send(answer)
		return
	}
	defer conn.Join()
	r.mu.Lock()
	r.conns[d.ID] = conn
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.conns, d.ID)
		r.mu.Unlock()
	}()
	if send(answer) != nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-conn.Ended: // the launcher hears of it as the end of the stream
	}
}

// know notes where the launcher thinks that the host's name leads.
func (r *relayHost) know(d *relay.Dial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range d.Addrs {
		if addr, err := netip.ParseAddr(a); err == nil {
			r.addrs[d.Host] = append(r.addrs[d.Host], addr)
		}
	}
}

// wake ends what reads from the stream.
func wake(stream net.Conn) { stream.SetReadDeadline(time.Unix(1, 0)) }

// process runs a process on a connection and carries what it reads and writes.
func (r *relayHost) process(stream net.Conn, e *relay.Exec, begin func(sshconn.Connection, string) (*sshconn.Process, error)) {
	conn, err := r.find(e.Conn)
	var p *sshconn.Process
	if err == nil {
		p, err = begin(conn, e.What)
	}
	if relay.Write(stream, done(err)) != nil || err != nil {
		if p != nil {
			p.Kill()
		}
		return
	}
	pipe := relay.NewPipe(stream)
	var input sync.WaitGroup
	defer input.Wait()
	input.Go(func() {
		feed(pipe, p)
		stream.SetWriteDeadline(time.Unix(1, 0)) // nobody reads what it still writes
	})
	defer wake(stream)
	_, err = io.Copy(relay.Output{Pipe: pipe, Kind: relay.Data}, struct{ io.Reader }{p.Out})
	if err != nil { // the launcher takes no more
		p.Kill()
		io.Copy(io.Discard, p.Out)
	}
	how := p.Wait()
	pipe.Send(relay.Said, []byte(p.Said.String()))
	switch {
	case errors.Is(how, agents.ErrCut): // the launcher sees a stream that ends without Exit
	case how != nil:
		pipe.Send(relay.Exit, []byte(how.Error()))
	default:
		pipe.Send(relay.Exit, nil)
	}
}

// feed passes on what the launcher writes. The process is not wanted any more
// when the stream ends before its input does.
func feed(pipe *relay.Pipe, p *sshconn.Process) {
	b := make([]byte, 32<<10)
	for {
		kind, n, err := pipe.Receive(b)
		switch {
		case err != nil:
			p.Kill()
			return
		case kind == relay.End:
			p.In.Close()
		case kind == relay.Data && n > 0:
			if _, err := p.In.Write(b[:n]); err != nil {
				// It takes no more; what it still writes is wanted.
				continue
			}
		}
	}
}

// relayFiles remembers the files of this host that have been read.
type relayFiles struct {
	mu   sync.Mutex
	read map[relay.File]ship.File
}

func (f *relayFiles) find(w relay.File) (ship.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file, ok := f.read[w]; ok {
		return file, nil
	}
	file, err := ship.ReadFile(w.Path, w.Name)
	if err == nil && file.Hash != w.Hash {
		err = fmt.Errorf("%s is not what it was", w.Path)
	}
	if err != nil {
		return file, err
	}
	if f.read == nil {
		f.read = map[relay.File]ship.File{}
	}
	f.read[w] = file
	return file, nil
}

// push brings files of this host to another.
func (r *relayHost) push(stream net.Conn, m *relay.Push) {
	conn, err := r.find(m.Conn)
	if err != nil {
		relay.Write(stream, done(err))
		return
	}
	var files []ship.File
	for _, f := range m.Files {
		file, err := r.files.find(f)
		if err != nil {
			relay.Write(stream, done(err))
			return
		}
		file.Executable = true
		files = append(files, file)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() {
		defer cancel()
		io.Copy(io.Discard, stream) // the launcher says nothing more
	})
	defer wake(stream)
	var last time.Time
	there := Files{
		Dir: m.Dir, Stall: r.deadlines.Stall, Abort: conn.Close,
		Open: func() (client *sftp.Client, end func(), err error) { return openSFTP(conn) },
		Progress: func(_ string, done, total int64) {
			if now := time.Now(); done == total || now.Sub(last) > time.Second/10 {
				last = now
				relay.Write(stream, &relay.Message{Progress: &relay.Progress{Done: done, Total: total}})
			}
		},
	}
	paths, err := there.bring(ctx, files)
	var whole *sshconn.Error
	if errors.As(err, &whole) {
		err = whole.Err // the launcher names host and stage
	}
	answer := done(err)
	answer.Done.Paths = paths
	relay.Write(stream, answer)
}

// StandardStreams are a process's standard input and output as one connection,
// whose Close wakes who reads.
func StandardStreams() io.ReadWriteCloser {
	s := standardStreams{}
	for fd, f := range []**os.File{&s.in, &s.out} {
		syscall.SetNonblock(fd, true) // so that the runtime polls them
		*f = os.NewFile(uintptr(fd), "relay")
	}
	return s
}

type standardStreams struct{ in, out *os.File }

func (s standardStreams) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s standardStreams) Write(b []byte) (int, error) { return s.out.Write(b) }
func (s standardStreams) Close() error                { return errors.Join(s.in.Close(), s.out.Close()) }
