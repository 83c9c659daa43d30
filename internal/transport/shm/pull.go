package shm

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"sync/atomic"
	"unsafe"
)

// A long message is copied once, by its receiver, out of the sender's memory
// (process_vm_readv), where the system lets it: both must be of one user and in
// one namespace of process numbers, and Yama or seccomp may forbid it. Nobody
// relies on rules: each process shows the address of a word of its own memory
// and what it holds, and who can read that word there can pull.

// States of peer.reach.
const (
	untried = iota
	reachable
	unreachable
)

// offer shows the word that others try to read.
func (n *Net) offer() error {
	n.nonce = new(uint64)
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	*n.nonce = binary.LittleEndian.Uint64(b[:]) | 1
	allowSiblings()
	atomic.StoreUint32(&n.own.pid, uint32(os.Getpid()))
	atomic.StoreUint64(&n.own.nonce, *n.nonce)
	atomic.StoreUint64(&n.own.probe, uint64(uintptr(unsafe.Pointer(n.nonce))))
	return nil
}

// Attention implements transport.Attended.
func (n *Net) Attention() *uint64 { return &n.own.attention }

// Attended implements transport.Puller.
func (p *peer) Attended() bool {
	return atomic.LoadUint64(&p.net.seg.slot(p.local).attention) != 0
}

// Rouse implements transport.Puller.
func (p *peer) Rouse() {
	bell := &p.net.seg.slot(p.local).bell[1]
	atomic.AddUint32(bell, 1)
	futexWake(bell)
}

// Pull implements transport.Puller.
func (p *peer) Pull(dst []byte, addr uint64) bool {
	if len(dst) == 0 {
		return true
	}
	if !p.reaches() {
		return false
	}
	s := p.net.seg.slot(p.local)
	if readMemory(int(atomic.LoadUint32(&s.pid)), dst, addr) != nil {
		return false
	}
	// A process that has ended meanwhile may have left its number to another.
	return atomic.LoadUint32(&s.state) == alive
}

// reaches tells whether the system lets this process into p's memory.
func (p *peer) reaches() bool {
	switch p.reach.Load() {
	case unreachable:
		return false
	case untried:
		if !p.proves() {
			p.reach.Store(unreachable)
			return false
		}
		p.reach.Store(reachable)
	}
	return true
}

// proves tells whether p's number, as p has told it, is p's.
func (p *peer) proves() bool {
	s := p.net.seg.slot(p.local)
	var word [8]byte
	return readMemory(int(atomic.LoadUint32(&s.pid)), word[:], atomic.LoadUint64(&s.probe)) == nil &&
		binary.NativeEndian.Uint64(word[:]) == atomic.LoadUint64(&s.nonce)
}
