package spin

//go:noescape
func claim(p *uint64)

//go:noescape
func fetch(p *uint64)
