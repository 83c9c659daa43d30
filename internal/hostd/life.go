package hostd

import (
	"context"
	"errors"
	"net"
)

// A life is that of another host, as far as the agent has told.
type life struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func (p *Peers) life(host int) *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lives[host]
	if l == nil {
		l = new(life)
		l.ctx, l.end = context.WithCancelCause(context.Background())
		p.lives[host] = l
	}
	return l
}

// lose ends all streams from and to a host, for good.
func (p *Peers) lose(host int, why string) { p.life(host).end(errors.New(why)) }

// while is ctx until the host is lost. The caller cancels it.
func (p *Peers) while(ctx context.Context, host int) (context.Context, context.CancelFunc) {
	l := p.life(host)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	if l.ctx.Err() != nil { // at once, not when that has run
		cancel(context.Cause(l.ctx))
	}
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// hold is c, closed when the host is lost.
func (l *life) hold(c net.Conn) net.Conn {
	return &held{Conn: c, life: l, stop: context.AfterFunc(l.ctx, func() { c.Close() })}
}

// held is a stream whose errors say when its host is lost.
type held struct {
	net.Conn
	life *life
	stop func() bool
}

func (h *held) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	return n, h.life.explain(err)
}

func (h *held) Write(b []byte) (int, error) {
	n, err := h.Conn.Write(b)
	return n, h.life.explain(err)
}

// explain says why, when the host is lost.
func (l *life) explain(err error) error {
	if err != nil && l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return err
}

// CloseWrite sends the end of the stream: TCP and TLS have that.
func (h *held) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (h *held) Close() error {
	h.stop()
	return h.Conn.Close()
}
