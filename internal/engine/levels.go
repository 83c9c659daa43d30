package engine

// Levels are the parts of a group that spans several nodes: hosts, or processes
// where those of a host share no memory. Their ids are computed, like those of all
// groups; they are revoked with the group they belong to.
type Levels struct {
	// Local has the members of this rank's node; nil if there is no other.
	Local *Comm
	// Leaders has the first member of every node; nil on other ranks.
	Leaders *Comm

	node, place []int   // by group rank
	members     [][]int // group ranks by node, ascending
}

// Node tells which node a rank of the group belongs to, which is the rank of its
// leader among Leaders, and Place its rank within that node.
func (l *Levels) Node(r int) int  { return l.node[r] }
func (l *Levels) Place(r int) int { return l.place[r] }

// Nodes is how many nodes there are, Members are the ranks of one, ascending.
func (l *Levels) Nodes() int             { return len(l.members) }
func (l *Levels) Members(node int) []int { return l.members[node] }

// Levels returns the group's levels, nil if it has only one: all its ranks are of
// one node, or each is of another.
func (c *Comm) Levels() *Levels {
	if !c.layered {
		c.layered = true
		c.levels = c.findLevels()
	}
	return c.levels
}

// Fresh says that this rank has called no collective on the group yet; before a
// collective all its members say the same.
func (c *Comm) Fresh() bool { return c.calls.Load() == 0 }

func (c *Comm) findLevels() *Levels {
	p := c.rank.proc
	l := &Levels{node: make([]int, c.size), place: make([]int, c.size)}
	index := make(map[int]int) // of a host, or of a process
	var nodes [][]int32
	for r, w := range c.members {
		at := p.Topology.RankProc[w]
		if p.Boards != nil {
			at = p.Topology.ProcHost[at]
		}
		i, ok := index[at]
		if !ok {
			i = len(nodes)
			index[at], nodes = i, append(nodes, nil)
			l.members = append(l.members, nil)
		}
		l.node[r], l.place[r] = i, len(nodes[i])
		nodes[i] = append(nodes[i], w)
		l.members[i] = append(l.members[i], r)
	}
	if len(nodes) == 1 || len(nodes) == c.size {
		return nil
	}
	mine := nodes[l.node[c.me]]
	if len(mine) > 1 {
		l.Local = c.rank.comm(mix(c.id, 0, int64(l.node[c.me])), mine)
		l.Local.level = true
	}
	if mine[0] == int32(c.rank.world) {
		leaders := make([]int32, len(nodes))
		for i, n := range nodes {
			leaders[i] = n[0]
		}
		l.Leaders = c.rank.comm(mix(c.id, 0, -1), leaders)
		l.Leaders.level = true
	}
	c.Adopt(l.Local)
	c.Adopt(l.Leaders)
	return l
}

// Adopt has part, a group of members of c, revoked on this rank when c is; nil is
// passed over.
func (c *Comm) Adopt(part *Comm) {
	if part == nil {
		return
	}
	rk := c.rank
	rk.mu.Lock()
	g := rk.group(c.id)
	g.parts = append(g.parts, part.id)
	cause := g.revoked
	rk.mu.Unlock()
	if cause != nil {
		rk.revoked(part.id, cause)
	}
}

// revokeParts ends the parts of a group on this rank.
func (rk *Rank) revokeParts(id uint64, err error) {
	rk.mu.Lock()
	var parts []uint64
	if g := rk.groups[id]; g != nil {
		parts = g.parts
	}
	rk.mu.Unlock()
	for _, part := range parts {
		rk.revoked(part, err)
	}
}

func (l *Levels) close() {
	for _, part := range []*Comm{l.Local, l.Leaders} {
		if part != nil {
			part.Close()
		}
	}
}

// A Spread is how the members of a group are placed.
type Spread struct {
	Hosts, Most    int // how many hosts, and members on the fullest
	Nodes, Fullest int // the same of nodes; see Levels
	OneProcess     bool
}

// Spread tells how the members are placed; it looks at all of them.
func (c *Comm) Spread() (s Spread) {
	p := c.rank.proc
	hosts, procs := map[int]int{}, map[int]int{}
	for _, w := range c.members {
		q := p.Topology.RankProc[w]
		h := p.Topology.ProcHost[q]
		procs[q]++
		hosts[h]++
		s.Most, s.Fullest = max(s.Most, hosts[h]), max(s.Fullest, procs[q])
	}
	s.Hosts, s.Nodes, s.OneProcess = len(hosts), len(procs), len(procs) == 1
	if p.Boards != nil {
		s.Nodes, s.Fullest = s.Hosts, s.Most
	}
	return s
}
