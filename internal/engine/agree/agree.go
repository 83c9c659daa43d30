package agree

import "slices"

// A Send is a message that must go to member To. The dead among the addressees
// may be passed over.
type Send struct {
	To      int
	Message Message
}

// A Machine is one member's part of one agreement, from the moment it takes
// part. Messages that come before are kept by the caller and given to Receive
// then. Use it from one goroutine at a time.
type Machine struct {
	me, size int
	dead     Set
	flag     bool

	leader   int   // whom this member follows; -1: nobody yet
	accepted int   // whose value it has accepted; -1: nobody's
	value    Value // that value

	// As a coordinator.
	votes    []*Message // by member
	acks     Set
	proposed bool

	decided  bool
	excluded bool
	out      []Send
}

// New begins member me's part in a group of size: dead are those it knows to be
// dead, flag is its own.
func New(me, size int, flag bool, dead Set) (*Machine, []Send) {
	m := &Machine{me: me, size: size, dead: slices.Clone(dead), flag: flag,
		leader: -1, accepted: -1, votes: make([]*Message, size), acks: NewSet(size)}
	m.advance()
	return m, m.take()
}

// Decision is what was agreed on, once it has been.
func (m *Machine) Decision() (v Value, decided bool) { return m.value, m.decided }

// Excluded says that the others have gone on without this member.
func (m *Machine) Excluded() bool { return m.excluded }

// Over says that nothing is left to wait for.
func (m *Machine) Over() bool { return m.decided || m.excluded }

// Lost tells of a death.
func (m *Machine) Lost(r int) []Send {
	if r == m.me || m.Over() || m.dead.Has(r) {
		return nil
	}
	m.dead.Add(r)
	m.advance()
	return m.take()
}

// Receive takes a message.
func (m *Machine) Receive(from int, msg Message) []Send {
	switch {
	case m.decided && msg.Kind != Commit:
		m.send(from, Message{Kind: Commit, Value: m.value})
	case m.Over():
	case msg.Kind == Commit:
		m.decide(msg.Value)
		if m.decided && m.leader == m.me {
			m.tell(Message{Kind: Commit, Value: m.value}) // to those whose votes this one has asked for
		}
	default:
		m.receive(from, msg)
	}
	return m.take()
}

func (m *Machine) receive(from int, msg Message) {
	m.dead.merge(msg.Dead)
	if m.dead.Has(m.me) {
		m.exclude()
		return
	}
	if m.dead.Has(from) {
		m.advance() // what a dead member wants does not count, but whom it called dead does
		return
	}
	switch msg.Kind {
	case Vote:
		m.votes[from] = &msg
	case Propose:
		m.advance() // it may have a new leader in its set
		if from != m.leader {
			return
		}
		m.accepted, m.value = from, msg.Value.clone()
		m.send(from, Message{Kind: Ack})
	case Ack:
		m.acks.Add(from)
	}
	m.advance()
}

// advance does what the state allows: follow another leader, propose, commit.
func (m *Machine) advance() {
	leader := 0
	for m.dead.Has(leader) {
		leader++ // ends at me
	}
	if leader != m.leader {
		m.leader = leader
		if leader != m.me {
			m.send(leader, Message{Kind: Vote, Flag: m.flag, Accepted: m.accepted, Value: m.value})
		} else if leader > 0 {
			m.tell(Message{Kind: Prepare})
		}
	}
	if leader != m.me {
		return
	}
	if !m.proposed && m.all(func(r int) bool { return m.votes[r] != nil }) {
		m.propose()
	}
	if m.proposed && m.all(m.acks.Has) {
		m.decide(m.value)
		m.tell(Message{Kind: Commit, Value: m.value})
	}
}

// propose makes a value of the votes.
func (m *Machine) propose() {
	v := Value{Flag: m.flag}
	latest := -1
	if m.accepted >= 0 {
		v, latest = m.value, m.accepted
	}
	for r, vote := range m.votes {
		switch {
		case vote == nil:
		case vote.Accepted > latest:
			v, latest = vote.Value.clone(), vote.Accepted
		case latest < 0 && !m.dead.Has(r):
			v.Flag = v.Flag && vote.Flag
		}
	}
	if latest < 0 {
		v.Dead = slices.Clone(m.dead)
	}
	if v.Dead.Has(m.me) { // an earlier coordinator's value, which may be decided
		m.exclude()
		return
	}
	m.accepted, m.value, m.proposed = m.me, v, true
	for r := range m.size {
		if r != m.me && !m.dead.Has(r) {
			m.send(r, Message{Kind: Propose, Value: m.value})
		}
	}
}

func (m *Machine) decide(v Value) {
	m.value = v.clone()
	if v.Dead.Has(m.me) {
		m.exclude()
		return
	}
	m.decided = true
	for r := range m.size {
		if m.dead.Has(r) || v.Dead.Has(r) { // it may live, and only its link to the coordinator has failed
			m.send(r, Message{Kind: Commit, Value: v})
		}
	}
}

// exclude ends this member's part; nobody need wait for it.
func (m *Machine) exclude() {
	m.excluded = true
	m.dead.Add(m.me)
	m.tell(Message{Kind: Prepare})
}

// all says whether holds is true of every other member that lives.
func (m *Machine) all(holds func(r int) bool) bool {
	for r := range m.size {
		if r != m.me && !m.dead.Has(r) && !holds(r) {
			return false
		}
	}
	return true
}

// tell sends to everybody, also to those that are called dead: one that lives
// learns that it is excluded.
func (m *Machine) tell(msg Message) {
	for r := range m.size {
		if r != m.me {
			m.send(r, msg)
		}
	}
}

func (m *Machine) send(to int, msg Message) {
	msg.Dead = slices.Clone(m.dead)
	if msg.Value.Dead != nil {
		msg.Value = msg.Value.clone()
	}
	if msg.Kind != Vote {
		msg.Accepted = -1
	}
	m.out = append(m.out, Send{to, msg})
}

func (m *Machine) take() []Send {
	out := m.out
	m.out = nil
	return out
}
