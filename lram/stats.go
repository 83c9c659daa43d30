package lram

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"gridrun/collectives"
	"gridrun/internal/trace"
	"gridrun/lram/internal/client"
)

// Stats counts since New. Waits on a block already on its way are neither hits nor misses.
//
// Of a rank: Requests are calls of Read; HitsLocal, HitsRemote, Waits and Misses are the blocks they touched: there already in
// this host's memory or in that of the block's home, on their way, or read from storage for this Read. BytesAsked are the
// elements asked for in their stored type, BytesMoved those of blocks that its Reads had brought from another host, StallNanos
// is the time spent waiting for blocks.
//
// Decodes, Evictions, BytesRead and BytesPrefetchedUnused are the servers' and stand in a Total only, where BytesMoved is
// theirs too: it counts what was prefetched as well. BytesRead leaves out what opening files took.
type Stats struct {
	Requests, HitsLocal, HitsRemote, Waits, Misses, Evictions, Decodes          int64
	BytesAsked, BytesMoved, BytesRead /* from storage */, BytesPrefetchedUnused int64
	StallNanos                                                                  int64
}

// counters are a rank's.
type counters struct {
	requests, hits, remote, waits, misses, asked, moved, stall atomic.Int64
}

// met counts a block of so many bytes.
func (n *counters) met(how uint8, size int) {
	if how&client.Moved != 0 {
		n.moved.Add(int64(size))
	}
	switch how &^ client.Moved {
	case client.Hit:
		n.hits.Add(1)
	case client.Remote:
		n.remote.Add(1)
	case client.Waited:
		n.waits.Add(1)
	default:
		n.misses.Add(1)
	}
}

// met counts the same for who observes the job.
func met(n *trace.Reads, how uint8, size int) {
	if how&client.Moved != 0 {
		n.Moved += uint64(size)
	}
	switch how &^ client.Moved {
	case client.Hit:
		n.Hits++
	case client.Remote:
		n.Remote++
	case client.Waited:
		n.Waited++
	default:
		n.Missed++
	}
}

func (n *counters) stalled(d time.Duration) { n.stall.Add(int64(d)) }

// Stats of this rank's requests.
func (c *Cache) Stats() Stats {
	n := &c.counts
	return Stats{
		Requests: n.requests.Load(), HitsLocal: n.hits.Load(), HitsRemote: n.remote.Load(), Waits: n.waits.Load(), Misses: n.misses.Load(),
		BytesAsked: n.asked.Load(), BytesMoved: n.moved.Load(), StallNanos: n.stall.Load(),
	}
}

// share is what a rank brings to a Total.
type share struct {
	Stats  Stats
	Server string
	Served Stats // what the rank's server has done, the same for all its ranks but for the moment
	Error  string
}

// Total of all ranks and hosts. Collective over the group of New.
func (c *Cache) Total(ctx context.Context) (Stats, error) {
	mine := share{Stats: c.Stats(), Server: c.client.Server}
	mine.Stats.BytesMoved = 0 // the server counts it
	counted, failed := c.client.Count(ctx)
	if failed != nil {
		mine.Error = failed.Error()
	} else {
		mine.Served = Stats{
			Decodes: counted.Decodes, Evictions: counted.Evictions, BytesRead: counted.Read, BytesPrefetchedUnused: counted.Unused,
			BytesMoved: counted.Moved,
		}
	}
	all, err := collectives.GatherValues(ctx, c.group, 0, mine)
	if err != nil {
		return Stats{}, fmt.Errorf("lram: total: %w", err)
	}
	var sum share
	if c.group.Rank() == 0 {
		sum = fold(all)
	}
	sum, err = collectives.BcastValue(ctx, c.group, 0, sum)
	switch {
	case failed != nil:
		return Stats{}, fmt.Errorf("lram: total: %w", failed)
	case err != nil:
		return Stats{}, fmt.Errorf("lram: total: %w", err)
	case sum.Error != "":
		return Stats{}, fmt.Errorf("lram: total: %s", sum.Error)
	}
	return sum.Stats, nil
}

// fold adds all ranks' requests, and each server's work once: as the last of its ranks saw it.
func fold(all []share) share {
	var sum share
	errs := make([]string, len(all))
	latest := map[string]Stats{}
	for r, x := range all {
		errs[r] = x.Error
		sum.Stats.add(x.Stats)
		if seen, ok := latest[x.Server]; !ok || seen.age() < x.Served.age() {
			latest[x.Server] = x.Served
		}
	}
	for _, s := range latest {
		sum.Stats.add(s)
	}
	sum.Error = firstOf(errs)
	return sum
}

// age grows with all that a server does.
func (s Stats) age() int64 { return s.Decodes + s.Evictions + s.BytesRead + s.BytesMoved }

func (s *Stats) add(x Stats) {
	s.Requests += x.Requests
	s.HitsLocal += x.HitsLocal
	s.HitsRemote += x.HitsRemote
	s.Waits += x.Waits
	s.Misses += x.Misses
	s.Evictions += x.Evictions
	s.Decodes += x.Decodes
	s.BytesAsked += x.BytesAsked
	s.BytesMoved += x.BytesMoved
	s.BytesRead += x.BytesRead
	s.BytesPrefetchedUnused += x.BytesPrefetchedUnused
	s.StallNanos += x.StallNanos
}
