package cost

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what Parse takes: of a text, of a curve, of a figure.
const (
	maxText   = 16 << 10
	maxPoints = 32
	maxBytes  = 1 << 40
	maxTime   = 1000 * 1000 * 1000 * Microsecond
	maxCores  = 1 << 16
)

// figures lists all that Costs hold, by name; exactly one of the three is set.
func (c *Costs) figures() []figure {
	all := []figure{
		{name: "cores", count: &c.Cores},
		{name: "copy", curve: &c.Copy}, {name: "fold", curve: &c.Fold},
		{name: "call", time: &c.Call}, {name: "meet", time: &c.Meet}, {name: "visit", time: &c.Visit},
	}
	for _, l := range c.Layers() {
		all = append(all,
			figure{name: l.Name + ".latency", curve: &l.Latency}, figure{name: l.Name + ".stream", curve: &l.Stream},
			figure{name: l.Name + ".exchange", curve: &l.Exchange}, figure{name: l.Name + ".crowd", curve: &l.Crowd})
	}
	return all
}

// A NamedLayer is one of the Layers.
type NamedLayer struct {
	Name string
	*Layer
}

// Layers lists the layers by their names.
func (c *Costs) Layers() []NamedLayer {
	return []NamedLayer{{"mem", &c.Mem}, {"shm", &c.Shm}, {"tcp", &c.TCP}}
}

type figure struct {
	name  string
	count *int
	time  *Time
	curve *Curve
}

// String is c in one line that Parse reads: `name=value;...`, a curve as
// bytes:picoseconds with commas between.
func (c Costs) String() string {
	var b strings.Builder
	for i, f := range c.figures() {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(f.name + "=" + f.text())
	}
	return b.String()
}

func (f figure) text() string {
	switch {
	case f.count != nil:
		return strconv.Itoa(*f.count)
	case f.time != nil:
		return strconv.FormatInt(int64(*f.time), 10)
	}
	var points []string
	for _, p := range *f.curve {
		points = append(points, fmt.Sprintf("%d:%d", p.Bytes, int64(p.Time)))
	}
	return strings.Join(points, ",")
}

// Parse reads what String has written. Whatever the text, the result has every
// figure within bounds, and curves that ascend; or there is an error.
func Parse(text string) (*Costs, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%d bytes of text, at most %d are expected", len(text), maxText)
	}
	values := map[string]string{}
	for _, part := range strings.Split(text, ";") {
		name, value, ok := strings.Cut(part, "=")
		if _, twice := values[name]; !ok || twice {
			return nil, fmt.Errorf("%q is no figure=value, or a second one", cut(part))
		}
		values[name] = value
	}
	c := new(Costs)
	all := c.figures()
	for _, f := range all {
		value, ok := values[f.name]
		if !ok {
			return nil, fmt.Errorf("no figure %q", f.name)
		}
		if err := f.set(value); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", f.name, cut(value), err)
		}
		delete(values, f.name)
	}
	for name := range values {
		return nil, fmt.Errorf("%q is no figure", cut(name))
	}
	return c, nil
}

// cut shortens what is quoted in an error.
func cut(text string) string { return text[:min(len(text), 40)] }

func (f figure) set(value string) error {
	switch {
	case f.count != nil:
		n, err := number(value, maxCores)
		if *f.count = int(n); err == nil && n == 0 {
			err = errors.New("at least one is needed")
		}
		return err
	case f.time != nil:
		n, err := number(value, int64(maxTime))
		*f.time = Time(n)
		return err
	}
	points := strings.Split(value, ",")
	if len(points) > maxPoints {
		return fmt.Errorf("%d points, at most %d are expected", len(points), maxPoints)
	}
	for i, text := range points {
		left, right, ok := strings.Cut(text, ":")
		if !ok {
			return errors.New("a point is bytes:picoseconds")
		}
		n, err := number(left, maxBytes)
		if err != nil {
			return err
		}
		t, err := number(right, int64(maxTime))
		if err != nil {
			return err
		}
		if i > 0 && (int(n) <= (*f.curve)[i-1].Bytes || Time(t) < (*f.curve)[i-1].Time) {
			return errors.New("bytes must ascend, and times must not descend")
		}
		*f.curve = append(*f.curve, Point{int(n), Time(t)})
	}
	return nil
}

func number(text string, most int64) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(n) > most {
		return 0, fmt.Errorf("%q is no number up to %d", cut(text), most)
	}
	return int64(n), nil
}
