package hostd

import (
	"context"
	"net"

	"gridrun/internal/wire"
)

// A Conn is a rank's stream to a service.
type Conn struct {
	*net.UnixConn
	Rank    int          // world rank
	Job     wire.Welcome // of the job this process belongs to
	Version uint16       // that the rank asked for
}

// A Handler is what a service's name stands for.
type Handler struct {
	Version uint16 // ranks must ask for exactly this one
	// Serve serves one stream until the rank closes it or ctx ends (the stream
	// is then closed under it). Its error goes to stderr: it is not the rank's
	// doing. The end of the stream is no error.
	Serve func(ctx context.Context, c Conn) error
}
