package ssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/ship"
)

// An Agent is a started agent: Read and Write are its standard output and input.
type Agent struct {
	io.Writer
	// Platform is what programs for the host are built for.
	Platform ship.Platform
	// Dir is the cache directory on the host.
	Dir string

	host     string
	out      *bufio.Reader
	process  *process
	conn     connection
	stall    time.Duration
	progress func(host string, done, total int64)
}

// Read gives io.EOF when the agent and all it started has ended, or when the
// connection is lost.
func (a *Agent) Read(b []byte) (int, error) { return a.out.Read(b) }

// Kill closes the connection. The agent ends at the end of its input; Read ends
// at once.
func (a *Agent) Kill() { a.conn.close() }

// Wait says how the agent ended when not well, after Read has ended, and
// releases the connection.
func (a *Agent) Wait() error {
	err := a.process.wait()
	a.conn.join()
	return a.process.said.With(err)
}

// Ship brings files to the host's cache and returns their paths there.
func (a *Agent) Ship(ctx context.Context, files ...ship.Source) ([]string, error) {
	var found []ship.File
	for _, source := range files {
		f, err := source(ctx, a.Platform)
		if err != nil {
			return nil, &Error{Host: a.host, Stage: StageShip, Err: err}
		}
		found = append(found, f)
	}
	var paths []string
	err := a.transfer(ctx, func(ctx context.Context, client *sftp.Client, p ship.Progress) (err error) {
		paths, err = ship.Ship(ctx, client, found, a.Dir, p)
		return err
	})
	return paths, err
}

// StageDir is where Stage puts the inputs of a job.
func (a *Agent) StageDir(job string) string { return a.jobDir(job) }

// Stage brings inputs to a directory of one job and returns it with their paths.
func (a *Agent) Stage(ctx context.Context, job string, files []ship.File) (dir string, paths []string, err error) {
	dir = a.jobDir(job)
	err = a.transfer(ctx, func(ctx context.Context, client *sftp.Client, p ship.Progress) (err error) {
		paths, err = ship.Stage(ctx, client, files, dir, p)
		return err
	})
	return dir, paths, err
}

// Unstage removes what Stage has brought.
func (a *Agent) Unstage(ctx context.Context, job string) error {
	return a.transfer(ctx, func(_ context.Context, client *sftp.Client, _ ship.Progress) error {
		return ship.Unstage(client, a.jobDir(job))
	})
}

// Prune removes what nobody has used for ship.MaxAge from the host's cache.
func (a *Agent) Prune(ctx context.Context) (hashes []string, err error) {
	err = a.transfer(ctx, func(_ context.Context, client *sftp.Client, _ ship.Progress) (err error) {
		hashes, err = ship.Prune(client, a.Dir, time.Now().Add(-ship.MaxAge))
		return err
	})
	return hashes, err
}

func (a *Agent) jobDir(job string) string { return path.Join(a.Dir, "jobs", job) }

func (a *Agent) transfer(ctx context.Context, do func(context.Context, *sftp.Client, ship.Progress) error) error {
	w := newWatch(ctx)
	defer w.stop()
	w.enter(StageShip, a.stall)
	// A client that hangs holds its channel only, but can be woken only with
	// the connection.
	stop := context.AfterFunc(w.ctx, a.conn.close)
	defer stop()
	err := transfer(w, a.conn, a.host, a.progress, do)
	if err != nil {
		return &Error{Host: a.host, Stage: StageShip, Err: err}
	}
	return nil
}

// errNoSFTP: files cannot be brought to any directory of the host.
var errNoSFTP = errors.New("the host offers no SFTP")

// transfer opens SFTP for do. Every byte of progress keeps the watch quiet.
func transfer(w *watch, conn connection, host string, progress func(string, int64, int64), do func(context.Context, *sftp.Client, ship.Progress) error) error {
	client, end, err := conn.sftp()
	if err != nil {
		return w.why(fmt.Errorf("%w: %w; it is `Subsystem sftp` in the host's sshd_config, Debian's package openssh-sftp-server", errNoSFTP, err))
	}
	defer end()
	return w.why(do(w.ctx, client, func(done, total int64) {
		w.alive()
		if progress != nil {
			progress(host, done, total)
		}
	}))
}
