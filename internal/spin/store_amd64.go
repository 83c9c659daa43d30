package spin

// A plain move: on this architecture stores become visible in program order, and
// the compiler moves nothing across a call of assembly.
//
//go:noescape
func store(p *uint64, v uint64)
