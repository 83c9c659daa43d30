// Package client is a rank's end of its cache: it asks the server for blocks
// and reads them where they stand in shared memory. It is also a server's end
// towards another host's server ([DialPeer], [Client.Fetch]).
//
//  1. [Dial] says Hello, maps the region that comes with Welcome and starts the
//     reader, the package's only goroutine. It hands each answer to the call
//     that waits for it; Close joins it.
//  2. [Client.Get] names up to proto.MaxBlocks blocks in one frame and calls
//     back for each as it is granted. The block is released when the callback
//     returns, several in one frame when several are there, so the server can
//     go on granting.
//  3. Answers to a call that has given up find no one: the reader releases
//     their blocks.
//  4. [Client.Fetch] asks another host for one block, as many at once as there
//     are callers; the reader reads its bytes from the stream straight to where
//     the caller wants them.
//  5. When the stream ends, every call gets the same error, which wraps
//     [ErrLost].
package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"gridrun/lram/format/array"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

var (
	// ErrLost is wrapped by the errors of all calls after the server has gone.
	ErrLost = errors.New("the cache's server is gone")
	// ErrClosed is the error of calls on a closed client.
	ErrClosed = errors.New("the cache is closed")
)

// maxGets bounds the Gets of a client at once, well below what a server takes.
const maxGets = 64

// Client is safe for concurrent use.
type Client struct {
	Server string // name of the server, to count it once
	Memory int64  // budget in bytes
	// Wait, when set before the first call, is told that a call begins to wait; the func returned, that it does no longer.
	Wait func(since time.Time) (done func())

	link   link.Link
	region *memory.Region // nil towards another host
	gets   chan struct{}
	reader sync.WaitGroup
	done   chan struct{} // closed when the reader has ended
	using  sync.RWMutex  // read-locked by calls: the region stays mapped under them

	writing sync.Mutex // one frame at a time

	mu    sync.Mutex
	last  uint32
	calls map[uint32]*call
	err   error // why there will be no more answers
}

// A call waits for answers.
type call struct {
	frames []proto.Frame
	more   chan struct{} // capacity 1: something is in frames, or Client.err is set
	dst    []byte        // where the bytes behind a Block go, for Fetch
}

// Dial joins the cache over l, which it owns from now on. It returns when the server has answered or ctx is done.
func Dial(ctx context.Context, l link.Link, hello proto.Hello) (*Client, error) {
	return dial(ctx, l, hello, true)
}

// DialPeer joins the same cache of another host, whose memory stays its own.
func DialPeer(ctx context.Context, l link.Link, hello proto.Hello) (*Client, error) {
	return dial(ctx, l, hello, false)
}

func dial(ctx context.Context, l link.Link, hello proto.Hello, shared bool) (*Client, error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	hello.Version = proto.Version
	frame, err := proto.Append(nil, &hello)
	if err == nil {
		_, err = l.Write(frame)
	}
	var f proto.Frame
	var region *memory.Region
	if err == nil {
		f, region, err = l.Receive()
	}
	if !stop() {
		err = context.Cause(ctx)
	} else if err != nil {
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	welcome, ok := f.(*proto.Welcome)
	switch {
	case err != nil:
	case !ok:
		err = fmt.Errorf("%w: the server's first frame is %T", proto.ErrMalformed, f)
	case welcome.Error != "":
		err = errors.New(welcome.Error)
	case welcome.Version != proto.Version:
		err = fmt.Errorf("the cache's server speaks version %d, this program %d", welcome.Version, proto.Version)
	case shared && region == nil:
		err = fmt.Errorf("%w: no memory comes with the server's welcome", proto.ErrMalformed)
	}
	if err != nil {
		l.Close()
		if region != nil {
			region.Close()
		}
		return nil, err
	}
	c := &Client{
		Server: welcome.Server, Memory: welcome.Memory,
		link: l, region: region, gets: make(chan struct{}, maxGets), calls: map[uint32]*call{}, done: make(chan struct{}),
	}
	c.reader.Go(c.read)
	return c, nil
}

// Close ends all calls, joins the reader and unmaps the memory.
func (c *Client) Close() error {
	c.end(ErrClosed)
	c.link.Close()
	c.reader.Wait()
	c.using.Lock()
	defer c.using.Unlock()
	if c.region == nil {
		return nil
	}
	return c.region.Close()
}

// Err is why the client has no more answers, nil while it has.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// read passes on what the server sends.
func (c *Client) read() {
	defer close(c.done)
	r := bufio.NewReader(c.link)
	for {
		f, err := proto.Read(r)
		var number uint32
		if err == nil {
			number, err = numberOf(f)
		}
		var k *call
		if err == nil {
			c.mu.Lock()
			k = c.calls[number]
			c.mu.Unlock()
			if b, ok := f.(*proto.Block); ok {
				err = receive(r, b, k)
			}
		}
		if err != nil {
			c.link.Close()
			c.end(fmt.Errorf("%w: %w", ErrLost, err))
			return
		}
		c.mu.Lock()
		if k = c.calls[number]; k != nil {
			k.frames = append(k.frames, f)
		}
		c.mu.Unlock()
		if k != nil {
			k.wake()
		} else {
			c.giveBack(f)
		}
	}
}

// receive reads what follows a Block.
func receive(r io.Reader, b *proto.Block, k *call) error {
	if k == nil || k.dst == nil || b.Size != int64(len(k.dst)) {
		return fmt.Errorf("%w: a block of %d bytes that nobody waits for", proto.ErrMalformed, b.Size)
	}
	_, err := io.ReadFull(r, k.dst)
	return err
}

func numberOf(f proto.Frame) (uint32, error) {
	switch f := f.(type) {
	case *proto.Opened:
		return f.Request, nil
	case *proto.Values:
		return f.Request, nil
	case *proto.Granted:
		return f.Request, nil
	case *proto.Block:
		return f.Request, nil
	case *proto.Counted:
		return f.Request, nil
	case *proto.Failed:
		return f.Request, nil
	}
	return 0, fmt.Errorf("%w: the server sent %T", proto.ErrMalformed, f)
}

// giveBack undoes an answer that nobody waits for.
func (c *Client) giveBack(f proto.Frame) {
	switch f := f.(type) {
	case *proto.Granted:
		c.send(&proto.Release{Request: f.Request, Positions: []uint32{f.Position}})
	case *proto.Opened:
		c.send(&proto.Close{Array: f.Array})
	}
}

// end makes every call fail with err from now on; the first err stays.
func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	for _, k := range c.calls {
		k.wake()
	}
}

func (k *call) wake() {
	select {
	case k.more <- struct{}{}:
	default:
	}
}

// send writes a frame.
func (c *Client) send(f proto.Frame) error {
	b, err := proto.Append(nil, f)
	if err != nil {
		return err
	}
	c.writing.Lock()
	_, err = c.link.Write(b)
	c.writing.Unlock()
	if err != nil {
		c.link.Close()
		c.end(fmt.Errorf("%w: %w", ErrLost, err))
		return c.Err()
	}
	return nil
}

// begin registers a call. dst is where a Block's bytes go.
func (c *Client) begin(dst []byte) (uint32, *call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	for c.last++; c.calls[c.last] != nil; c.last++ {
	}
	k := &call{more: make(chan struct{}, 1), dst: dst}
	c.calls[c.last] = k
	return c.last, k, nil
}

// forget ends a call; answers that came but were not looked at are given back.
func (c *Client) forget(number uint32, k *call) {
	c.mu.Lock()
	delete(c.calls, number)
	left := k.frames
	k.frames = nil
	c.mu.Unlock()
	for _, f := range left {
		c.giveBack(f)
	}
}

// wait returns the answers that are there, at least one.
func (c *Client) wait(ctx context.Context, k *call) ([]proto.Frame, time.Duration, error) {
	var since time.Time
	var done func()
	for {
		c.mu.Lock()
		frames, err := k.frames, c.err
		k.frames = nil
		c.mu.Unlock()
		if len(frames) > 0 || err != nil {
			var stalled time.Duration
			if !since.IsZero() {
				stalled = time.Since(since)
			}
			if done != nil {
				done()
			}
			if len(frames) > 0 {
				err = nil
			}
			return frames, stalled, err
		}
		if since.IsZero() {
			since = time.Now()
			if c.Wait != nil {
				done = c.Wait(since)
			}
		}
		select {
		case <-k.more:
		case <-ctx.Done():
			if done != nil {
				done()
			}
			return nil, time.Since(since), context.Cause(ctx)
		}
	}
}

// ask sends one frame and waits for its one answer.
func ask[T proto.Frame](ctx context.Context, c *Client, frame func(number uint32) proto.Frame) (answer T, err error) {
	c.using.RLock()
	defer c.using.RUnlock()
	number, k, err := c.begin(nil)
	if err != nil {
		return answer, err
	}
	defer c.forget(number, k)
	if err := c.send(frame(number)); err != nil {
		return answer, err
	}
	frames, _, err := c.wait(ctx, k)
	if err != nil {
		return answer, err
	}
	switch f := frames[0].(type) {
	case T:
		return f, nil
	case *proto.Failed:
		return answer, failure(f)
	}
	return answer, fmt.Errorf("%w: the server answered with %T", proto.ErrMalformed, frames[0])
}

// A RemoteError is an error of the server, with what errors.Is should find.
type RemoteError struct {
	Text string
	Kind error
}

func (e *RemoteError) Error() string { return e.Text }
func (e *RemoteError) Unwrap() error { return e.Kind }

func failure(f *proto.Failed) error {
	e := &RemoteError{Text: f.Text}
	switch f.Kind {
	case proto.NotExist:
		e.Kind = fs.ErrNotExist
	case proto.Changed:
		e.Kind = store.ErrChanged
	case proto.NoCoord:
		e.Kind = array.ErrNoCoord
	case proto.NoVariable:
		e.Kind = array.ErrNoVariable
	case proto.Lost:
		e.Kind = ErrLost
	}
	return e
}
