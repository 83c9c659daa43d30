package lram

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/collectives"
	"gridrun/internal/engine"
	"gridrun/internal/trace"
	"gridrun/lram/format/array"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
	"gridrun/rt"
)

var (
	// ErrMissing is an element without a value, read into a type that has no NaN.
	ErrMissing = errors.New("missing value")
	// ErrRange is a value that the type it is read into cannot hold.
	ErrRange = errors.New("value out of range")
	// ErrLost is wrapped when a host service that holds a part of the cache has ended or cannot be reached.
	ErrLost = client.ErrLost
	// ErrNoVariable is wrapped by Open when the file has no such variable, or none was named and several could be meant.
	ErrNoVariable = array.ErrNoVariable
	// ErrNoCoord is wrapped by Coord when the file has no values for the dimension.
	ErrNoCoord = array.ErrNoCoord
	// ErrChanged is wrapped when a file is not what it was when it was opened.
	ErrChanged = store.ErrChanged
	// ErrClosed is wrapped by the use of a closed cache or dataset.
	ErrClosed = client.ErrClosed
)

// Cache is one rank's part of the job's cache. Any goroutine may use it.
type Cache struct {
	group  rt.Group
	client *client.Client
	room   int64          // the least memory of the cache's hosts
	local  sync.WaitGroup // the session with a server inside this process
	counts counters
	record *trace.Recorder // nil: nobody observes the job
	closed atomic.Bool
}

// New joins this rank to the job's cache. Collective over g: when one rank cannot join, all get its error.
func New(ctx context.Context, g rt.Group, cfg Config) (*Cache, error) {
	cfg, err := cfg.load()
	id, err := agree(ctx, g, cfg, err)
	if err != nil {
		return nil, fmt.Errorf("lram: %w", err)
	}
	c := &Cache{group: g}
	comm := engine.From(g)
	hello := proto.Hello{Cache: id, Rank: uint32(comm.WorldRank(g.Rank())), Memory: cfg.Memory, BlockSize: cfg.BlockSize, Hosts: hostsOf(comm)}
	err = c.connect(ctx, comm.Proc(), hello, cfg.Stores)
	if err == nil {
		c.room = c.client.Memory
	}
	if all := c.allWell(ctx, g, err); all != nil {
		if err == nil {
			c.shut()
		}
		return nil, fmt.Errorf("lram: %w", all)
	}
	c.record = comm.Recorder()
	c.client.Wait = func(since time.Time) func() { return comm.Blocked(engine.OpLramRead, since) }
	return c, nil
}

// proposal is what a rank brings to New.
type proposal struct {
	Memory, BlockSize int64
	Error             string
}

// verdict is what rank 0 makes of the proposals.
type verdict struct{ ID, Error string }

// agree checks that all ranks want the same cache and names it.
func agree(ctx context.Context, g rt.Group, cfg Config, failed error) (id string, err error) {
	mine := proposal{Memory: cfg.Memory, BlockSize: cfg.BlockSize}
	if failed != nil {
		mine.Error = failed.Error()
	}
	all, err := collectives.GatherValues(ctx, g, 0, mine)
	if err != nil {
		return "", err
	}
	var v verdict
	if g.Rank() == 0 {
		errs := make([]string, len(all))
		for r, p := range all {
			errs[r] = p.Error
		}
		if v.Error = firstOf(errs); v.Error == "" {
			v.Error = differs(all)
		}
		v.ID = rand.Text()
	}
	v, err = collectives.BcastValue(ctx, g, 0, v)
	switch {
	case err != nil:
		return "", err
	case failed != nil:
		return "", failed
	case v.Error != "":
		return "", errors.New(v.Error)
	}
	return v.ID, nil
}

// differs names the first rank whose configuration is not rank 0's.
func differs(all []proposal) string {
	for r, p := range all {
		switch {
		case p.Memory != all[0].Memory:
			return fmt.Sprintf("the configurations differ: Memory is %d on rank 0, %d on rank %d", all[0].Memory, p.Memory, r)
		case p.BlockSize != all[0].BlockSize:
			return fmt.Sprintf("the configurations differ: BlockSize is %d on rank 0, %d on rank %d", all[0].BlockSize, p.BlockSize, r)
		}
	}
	return ""
}

// firstOf is the first error of the ranks, naming the rank unless all say the same.
func firstOf(errs []string) string {
	first, same := -1, true
	for r, e := range errs {
		if e != "" && first < 0 {
			first = r
		}
		same = same && e == errs[0]
	}
	switch {
	case first < 0:
		return ""
	case same:
		return errs[0]
	}
	return fmt.Sprintf("rank %d: %s", first, errs[first])
}

// arrival is what a rank says when it has joined its host's cache, or could not.
type arrival struct {
	Room  int64
	Error string
}

// allWell tells every rank of the first failure among them, a rank's own as it is, and of the least memory of their hosts.
func (c *Cache) allWell(ctx context.Context, g rt.Group, mine error) error {
	a := arrival{Room: c.room}
	if mine != nil {
		a.Error = mine.Error()
	}
	all, err := collectives.GatherValues(ctx, g, 0, a)
	if err != nil {
		return err
	}
	if g.Rank() == 0 {
		errs := make([]string, len(all))
		for r, x := range all {
			errs[r] = x.Error
			a.Room = min(a.Room, x.Room)
		}
		a.Error = firstOf(errs)
	}
	a, err = collectives.BcastValue(ctx, g, 0, a)
	switch {
	case mine != nil:
		return mine
	case err != nil:
		return err
	case a.Error != "":
		return errors.New(a.Error)
	}
	c.room = a.Room
	return nil
}

// shut ends this rank's session.
func (c *Cache) shut() error {
	err := c.client.Close()
	c.local.Wait()
	return err
}

// Close ends this rank's use of the cache; its datasets are closed, reads under way fail. What the cache holds stays while another rank uses it. Not collective.
func (c *Cache) Close(context.Context) error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.shut()
}
