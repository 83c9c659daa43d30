package keeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gridrun/internal/rundir"
)

// dialLimit bounds what a keeper that hardly runs costs a job.
const dialLimit = 2 * time.Second

// A Client uses a keeper that was found.
type Client struct {
	// Status is what it said when it was found.
	Status Status
	path   string
	kept   map[keptAt]bool
}

// An OtherBuild error is a keeper of another build: of no use but to be ended.
type OtherBuild struct{ Status Status }

func (e *OtherBuild) Error() string {
	return fmt.Sprintf("the keeper (pid %d) is of another build of gridrun; `gridrun down` ends it, `gridrun up` starts one of this build", e.Status.Pid)
}

// Find asks for this user's keeper; nil: there is none.
func Find(ctx context.Context) (*Client, error) {
	path, err := SocketPath()
	if err != nil {
		return nil, err
	}
	return find(ctx, path)
}

func find(ctx context.Context, path string) (*Client, error) {
	c := &Client{path: path, kept: map[keptAt]bool{}}
	conn, r, err := c.ask(ctx, request{Op: opStatus})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil
	case err != nil:
		return nil, err
	}
	conn.Close()
	if r.Status == nil {
		return nil, fmt.Errorf("the keeper at %s: %w", path, errProtocol)
	}
	c.Status = *r.Status
	for _, h := range c.Status.Hosts {
		c.kept[keptAt{h.Host, h.Way}] = true
	}
	switch same, err := c.Status.same(); {
	case err != nil:
		return nil, err
	case !same:
		return c, &OtherBuild{c.Status}
	}
	return c, nil
}

// Refresh asks for the status anew.
func (c *Client) Refresh(ctx context.Context) (Status, error) {
	conn, r, err := c.ask(ctx, request{Op: opStatus})
	if err != nil {
		return Status{}, err
	}
	conn.Close()
	if r.Status == nil {
		return Status{}, errProtocol
	}
	return *r.Status, nil
}

// ask sends a request and returns the first answer, with the connection.
func (c *Client) ask(ctx context.Context, r request) (*net.UnixConn, reply, error) {
	var answer reply
	d := net.Dialer{Timeout: dialLimit}
	conn, err := d.DialContext(ctx, "unix", c.path)
	if err != nil {
		return nil, answer, err
	}
	u := conn.(*net.UnixConn)
	if !ours(u) {
		u.Close()
		return nil, answer, fmt.Errorf("%s is answered by another user's process", c.path)
	}
	stop := context.AfterFunc(ctx, func() { u.Close() })
	defer stop()
	if err = writeMessage(u, r); err == nil {
		err = readMessage(u, &answer)
	}
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	if err != nil {
		u.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, answer, err
	}
	return u, answer, nil
}

// Up has hosts kept. seen hears of each host, and notice of what the user should
// know, one at a time.
func (c *Client) Up(ctx context.Context, way Way, hosts []Host, seen func(HostStatus), notice func(string)) error {
	conn, r, err := c.ask(ctx, request{Op: opUp, Way: way, Hosts: hosts})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for {
		switch {
		case r.Notice != "":
			notice(r.Notice)
		case r.Host != nil:
			seen(*r.Host)
		default:
			return nil
		}
		r = reply{}
		if err := readMessage(conn, &r); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("the keeper has gone: %w", err)
		}
	}
}

// Down ends the keeper and waits until it has gone; now: also when jobs use it.
func (c *Client) Down(ctx context.Context, now bool) error {
	conn, _, err := c.ask(ctx, request{Op: opDown, Now: now})
	if err != nil {
		return err
	}
	conn.Close()
	for ctx.Err() == nil {
		if _, err := os.Lstat(c.path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rundir.Sweep(filepath.Dir(c.path), Suffix)
		time.Sleep(5 * time.Millisecond)
	}
	return context.Cause(ctx)
}

// Kept says whether the keeper had the host when it was found, and its CPUs then.
func (c *Client) Kept(way Way, at Host) (cpus int, kept bool) {
	if !c.kept[keptAt{at, way}] {
		return 0, false
	}
	for _, h := range c.Status.Hosts {
		if h.Host == at && h.Way == way {
			return h.CPUs, true
		}
	}
	return 0, false
}
