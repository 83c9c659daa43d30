package lram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"gridrun/internal/engine"
	"gridrun/internal/hostd"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/proto"
	"gridrun/lram/internal/server"
	"gridrun/lram/store"
)

// service is the cache's name in the host service.
const service = "lram"

// Handler is the cache as a service of the host: it serves all caches of a job there. stores are the places besides local files.
func Handler(stores store.Set) hostd.Handler {
	s := server.New(stores)
	return hostd.Handler{Version: proto.Version, Serve: func(ctx context.Context, c hostd.Conn) error {
		site := &server.Site{Host: c.Peers.Host(), Name: c.Peers.Name, Dial: func(ctx context.Context, host int) (net.Conn, error) {
			return c.Peers.Dial(ctx, host, service, proto.Version)
		}}
		if c.Peer {
			return s.ServePeer(ctx, site, c.Conn)
		}
		rank, ok := c.Conn.(*net.UnixConn)
		if !ok {
			return fmt.Errorf("a rank's stream is a %T", c.Conn)
		}
		return s.Serve(ctx, site, link.Unix(rank))
	}}
}

// hostsOf lists the hosts of a group's ranks, ascending.
func hostsOf(comm *engine.Comm) []uint32 {
	topo := comm.Proc().Topology
	var hosts []uint32
	for r := range comm.Size() {
		hosts = append(hosts, uint32(topo.ProcHost[topo.RankProc[comm.WorldRank(r)]]))
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// connect joins the host's cache, or one inside this process.
func (c *Cache) connect(ctx context.Context, p *engine.Proc, hello proto.Hello, stores store.Set) error {
	conn, err := p.Service(ctx)
	switch {
	case errors.Is(err, engine.ErrNoService):
		// Ranks that share this process share the server; a cache has its own, so that each has its Stores.
		s := p.Local(service+" "+hello.Cache, func() any { return server.New(stores) }).(*server.Server)
		hello.Hosts = nil // it knows no others
		mine, theirs := link.Pipe()
		// The session ends with the link; what a rank of this process should not have sent shows there.
		c.local.Go(func() { s.Serve(context.WithoutCancel(ctx), server.Alone(), theirs) })
		if c.client, err = client.Dial(ctx, mine, hello); err != nil {
			c.local.Wait()
		}
		return err
	case err != nil:
		return fmt.Errorf("host service: %w", err)
	}
	if err := greet(ctx, conn); err != nil {
		conn.Close()
		return err
	}
	c.client, err = client.Dial(ctx, link.Unix(conn), hello)
	return err
}

// greet asks the host service for the cache.
func greet(ctx context.Context, conn *net.UnixConn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := hostd.Open(conn, service, proto.Version)
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}
