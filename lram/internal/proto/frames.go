package proto

// The frames; what they mean stands in the package's documentation.
type (
	Hello struct {
		Version           uint32
		Cache             string
		Rank              uint32
		Memory, BlockSize int64
		Hosts             []uint32
	}
	Open struct {
		Request uint32
		Ref     string
		Room    int64
	}
	Close struct{ Array uint32 }
	Coord struct {
		Request, Array, Dim uint32
		From                int64
	}
	Get struct {
		Request, Array uint32
		Blocks         []int64
	}
	Release struct {
		Request   uint32
		Positions []uint32
	}
	Cancel   struct{ Request uint32 }
	Prefetch struct {
		Array  uint32
		Blocks []int64
	}
	Count struct{ Request uint32 }

	Welcome struct {
		Version uint32
		Server  string
		Memory  int64
		Error   string
	}
	Opened struct {
		Request, Array uint32
		Description    []byte
	}
	Values struct {
		Request uint32
		Total   int64
		Unit    string
		Values  []float64
	}
	Granted struct {
		Request, Position uint32
		Off, Size         int64
		How               uint8
	}
	Counted struct {
		Request                                 uint32
		Decodes, Evictions, Read, Unused, Moved int64
	}
	Block struct {
		Request, Position uint32
		Size              int64
		How               uint8
	}
	Failed struct {
		Request uint32
		Kind    Kind
		Text    string
	}
)

// Kind classes an error for programs that ask with errors.Is.
type Kind = uint8

const (
	Other Kind = iota
	NotExist
	Changed
	NoCoord
	NoVariable
	Lost
)

// newFrame makes an empty frame of a kind, nil for an unknown one.
func newFrame(kind byte) Frame {
	switch kind {
	case 1:
		return new(Hello)
	case 2:
		return new(Open)
	case 3:
		return new(Close)
	case 4:
		return new(Coord)
	case 5:
		return new(Get)
	case 6:
		return new(Release)
	case 7:
		return new(Cancel)
	case 8:
		return new(Prefetch)
	case 9:
		return new(Count)
	case 65:
		return new(Welcome)
	case 66:
		return new(Opened)
	case 67:
		return new(Values)
	case 68:
		return new(Granted)
	case 69:
		return new(Counted)
	case 70:
		return new(Failed)
	case 71:
		return new(Block)
	}
	return nil
}

func (*Hello) kind() byte    { return 1 }
func (*Open) kind() byte     { return 2 }
func (*Close) kind() byte    { return 3 }
func (*Coord) kind() byte    { return 4 }
func (*Get) kind() byte      { return 5 }
func (*Release) kind() byte  { return 6 }
func (*Cancel) kind() byte   { return 7 }
func (*Prefetch) kind() byte { return 8 }
func (*Count) kind() byte    { return 9 }
func (*Welcome) kind() byte  { return 65 }
func (*Opened) kind() byte   { return 66 }
func (*Values) kind() byte   { return 67 }
func (*Granted) kind() byte  { return 68 }
func (*Counted) kind() byte  { return 69 }
func (*Failed) kind() byte   { return 70 }
func (*Block) kind() byte    { return 71 }

func (f *Hello) fields(c *codec) {
	c.u32(&f.Version)
	c.str(&f.Cache)
	c.u32(&f.Rank)
	c.i64(&f.Memory)
	c.i64(&f.BlockSize)
	c.u32s(&f.Hosts)
}

func (f *Open) fields(c *codec) {
	c.u32(&f.Request)
	c.str(&f.Ref)
	c.i64(&f.Room)
}

func (f *Close) fields(c *codec) { c.u32(&f.Array) }

func (f *Coord) fields(c *codec) {
	c.u32(&f.Request)
	c.u32(&f.Array)
	c.u32(&f.Dim)
	c.i64(&f.From)
}

func (f *Get) fields(c *codec) {
	c.u32(&f.Request)
	c.u32(&f.Array)
	c.i64s(&f.Blocks)
}

func (f *Release) fields(c *codec) {
	c.u32(&f.Request)
	c.u32s(&f.Positions)
}

func (f *Cancel) fields(c *codec) { c.u32(&f.Request) }

func (f *Prefetch) fields(c *codec) {
	c.u32(&f.Array)
	c.i64s(&f.Blocks)
}

func (f *Count) fields(c *codec) { c.u32(&f.Request) }

func (f *Welcome) fields(c *codec) {
	c.u32(&f.Version)
	c.str(&f.Server)
	c.i64(&f.Memory)
	c.str(&f.Error)
}

func (f *Opened) fields(c *codec) {
	c.u32(&f.Request)
	c.u32(&f.Array)
	c.bytes(&f.Description)
}

func (f *Values) fields(c *codec) {
	c.u32(&f.Request)
	c.i64(&f.Total)
	c.str(&f.Unit)
	c.f64s(&f.Values)
}

func (f *Granted) fields(c *codec) {
	c.u32(&f.Request)
	c.u32(&f.Position)
	c.i64(&f.Off)
	c.i64(&f.Size)
	c.u8(&f.How)
}

func (f *Counted) fields(c *codec) {
	c.u32(&f.Request)
	c.i64(&f.Decodes)
	c.i64(&f.Evictions)
	c.i64(&f.Read)
	c.i64(&f.Unused)
	c.i64(&f.Moved)
}

func (f *Block) fields(c *codec) {
	c.u32(&f.Request)
	c.u32(&f.Position)
	c.i64(&f.Size)
	c.u8(&f.How)
}

func (f *Failed) fields(c *codec) {
	c.u32(&f.Request)
	c.u8(&f.Kind)
	c.str(&f.Text)
}
