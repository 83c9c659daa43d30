//go:build linux

package testnet

import (
	"fmt"
	"time"
)

// Shape limits the link of host i to rate bits a second in each direction; 0
// ends the limit. What the limit cannot carry waits up to 50 ms and then is
// lost, as at a router.
func (n *Net) Shape(i int, rate int64) error {
	h := n.hosts[i]
	n.mu.Lock()
	defer n.mu.Unlock()
	if rate < 0 {
		return fmt.Errorf("testnet: shape %s to %d bits a second: 0 means unlimited", h.Name, rate)
	}
	if rate == 0 && !n.shaped[i] {
		return nil
	}
	for _, end := range []struct {
		pid    int
		device string
	}{{h.PID(), "eth0"}, {n.sw.Process.Pid, h.port()}} {
		line := "qdisc del dev " + end.device + " root\n"
		if rate > 0 {
			// 10 ms of the rate may go at once, but a few frames always.
			burst := max(rate/8/100, 8<<10)
			line = fmt.Sprintf("qdisc replace dev %s root tbf rate %dbit burst %d latency 50ms\n", end.device, rate, burst)
		}
		if err := inNet(end.pid, line, n.tools.tc, "-batch", "-"); err != nil {
			return err
		}
	}
	n.shaped[i] = rate > 0
	return nil
}

// Delay makes all that host i sends and receives late by oneWay; 0 ends the
// delay. A round trip from the front takes twice that. Once in a while a frame
// gets lost while the link is made over.
func (n *Net) Delay(i int, oneWay time.Duration) error {
	if oneWay < 0 {
		return fmt.Errorf("testnet: delay %s by %v: nothing arrives before it is sent", n.hosts[i].Name, oneWay)
	}
	return n.degrade(i, func(q quality) quality { q.delay = oneWay; return q })
}

// Lose drops the share (0 to 1) of the frames that host i sends and receives,
// chosen at random; 0 ends that.
func (n *Net) Lose(i int, share float64) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("testnet: lose the share %v of what %s sends: choose 0 to 1", share, n.hosts[i].Name)
	}
	return n.degrade(i, func(q quality) quality { q.loss = share; return q })
}

// degrade changes the quality of host i's link. Only a link that is not perfect
// has a relay.
func (n *Net) degrade(i int, change func(quality) quality) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.relays[i]
	if r != nil {
		q := change(r.quality())
		r.set(q)
		if q == (quality{}) {
			delete(n.relays, i)
			return n.unplugRelay(i, r)
		}
		return nil
	}
	q := change(quality{})
	if q == (quality{}) {
		return nil
	}
	r, err := n.plugRelay(i, q)
	if err != nil {
		return err
	}
	n.relays[i] = r
	return nil
}

// plugRelay makes host i's port a port of a bridge of its own, that has the
// relay for its only way to the main bridge.
func (n *Net) plugRelay(i int, q quality) (*relay, error) {
	own, near, far := relayNames(i)
	r, err := newRelay(n.sw.Process.Pid, near, far, q)
	if err != nil {
		return nil, err
	}
	err = n.ip(
		"link add "+own+" type bridge mcast_snooping 0",
		"link set "+own+" addrgenmode none",
		"link set "+near+" addrgenmode none",
		"link set "+far+" addrgenmode none",
		"link set "+near+" txqueuelen 10000 master "+own+" up",
		"link set "+far+" txqueuelen 10000 master switch up",
		"link set "+own+" up",
		"link set "+n.hosts[i].port()+" nomaster",
		"link set "+n.hosts[i].port()+" master "+own,
	)
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (n *Net) unplugRelay(i int, r *relay) error {
	own, _, _ := relayNames(i)
	err := n.ip(
		"link set "+n.hosts[i].port()+" nomaster",
		"link set "+n.hosts[i].port()+" master switch",
		"link del "+own,
	)
	r.close() // removes the TAP devices
	return err
}

func relayNames(i int) (bridge, near, far string) {
	return fmt.Sprintf("own%d", i+1), fmt.Sprintf("near%d", i+1), fmt.Sprintf("far%d", i+1)
}
