package hostd

import (
	"context"
	"net"

	"gridrun/internal/wire"
)

// A Conn is a stream to a service: a rank's of this host, or that of a service
// on another host ([Peers.Dial]).
type Conn struct {
	net.Conn        // a rank's is a *net.UnixConn
	Peer     bool   // opened by the service of Host, not by Rank
	Rank     int    // world rank
	Host     int    // that the stream comes from
	Version  uint16 // that was asked for
	Peers    *Peers // the way to other hosts
	Job      *wire.Welcome
}

// A Handler is what a service's name stands for.
type Handler struct {
	Version uint16 // must be asked for exactly
	// Serve serves one stream until the other end closes it or ctx ends (the
	// stream is then closed under it). Its error goes to stderr: it is not the
	// rank's doing. The end of the stream is no error.
	Serve func(ctx context.Context, c Conn) error
}
