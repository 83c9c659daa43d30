package keeper

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/agents"
	"gridrun/launcher/ship"
	"gridrun/launcher/ssh"
)

// stall is how long a transfer may go without a byte.
const stall = time.Minute

// Agent is the agent of a host, by way of the keeper. It is an agents.Agent, a
// Shipper and a Stager.
type Agent struct {
	ssh.Files
	conn   *net.UnixConn
	chunks chunkReader
	files  channels
}

// Start takes the host's waiting agent; progress is told of bytes shipped there.
// An error means that the host must be started otherwise.
func (c *Client) Start(ctx context.Context, way Way, at Host, progress func(host string, done, total int64)) (agents.Agent, error) {
	conn, r, err := c.ask(ctx, request{Op: opAgent, Way: way, Host: at})
	if err != nil {
		return nil, err
	}
	system, arch, _ := strings.Cut(r.Platform, "/")
	a := &Agent{conn: conn, chunks: chunkReader{r: conn}}
	a.files.ctx, a.files.close = context.WithCancel(context.Background())
	a.Files = ssh.Files{
		Platform: ship.Platform{OS: system, Arch: arch},
		Dir:      r.Dir,
		Host:     at.Name,
		Stall:    stall,
		Progress: progress,
		Abort:    a.files.close,
		Open: func() (*sftp.Client, func(), error) {
			return a.files.open(c, way, at)
		},
	}
	return a, nil
}

// Read gives io.EOF when the agent and all it started has ended, or when the
// keeper or its connection to the host has.
func (a *Agent) Read(b []byte) (int, error) {
	n, err := a.chunks.Read(b)
	if err != nil && !errors.Is(err, errProtocol) {
		err = io.EOF
	}
	return n, err
}

func (a *Agent) Write(b []byte) (int, error) { return a.conn.Write(b) }

// Kill has the keeper end the agent; Read ends at once.
func (a *Agent) Kill() { a.conn.Close() }

// Wait says how the agent ended.
func (a *Agent) Wait() error {
	a.conn.Close()
	a.files.close()
	switch e := a.chunks.end; {
	case e == nil:
		return errors.New("the connection to the keeper was lost")
	case e.Down:
		return agents.Dismissed("gridrun down --now")
	case e.Error != "":
		return errors.New(e.Error)
	}
	return nil
}

// channels are the connections for files; all end together.
type channels struct {
	ctx   context.Context
	close context.CancelFunc
}

// open opens SFTP to the host through the keeper.
func (s *channels) open(c *Client, way Way, at Host) (*sftp.Client, func(), error) {
	conn, _, err := c.ask(s.ctx, request{Op: opSFTP, Way: way, Host: at})
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	client, err := ssh.NewSFTP(&chunkReader{r: conn}, halfConn{conn})
	if err != nil {
		stop()
		conn.Close()
		return nil, nil, err
	}
	return client, func() {
		client.Close()
		stop()
		conn.Close()
	}, nil
}

// halfConn ends only what is written when it is closed.
type halfConn struct{ *net.UnixConn }

func (h halfConn) Close() error { return h.CloseWrite() }
