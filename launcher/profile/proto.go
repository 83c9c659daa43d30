package profile

import (
	"encoding/binary"
	"fmt"
)

// Fields of the message Profile.
const (
	profileSample   = 2
	profileMapping  = 3
	profileLocation = 4
	profileFunction = 5
	profileString   = 6
	sampleLabel     = 3
)

// A role is what merging does with a field.
type role int

const (
	keep       role = iota // nothing
	text                   // the number of a string
	location               // that of a location, or several
	mapping                //
	function               //
	message                // a message: look into it
	sampleRole             // a sample: look into it and label it
)

// A schema names the fields that merging changes; the others are kept.
type schema struct {
	role   role
	fields map[int]schema
}

var (
	valueType = schema{message, map[int]schema{1: {role: text}, 2: {role: text}}}
	label     = schema{message, map[int]schema{1: {role: text}, 2: {role: text}, 4: {role: text}}}

	profileSchema = map[int]schema{
		1:               valueType,
		profileSample:   {sampleRole, map[int]schema{1: {role: location}, sampleLabel: label}},
		profileMapping:  {message, map[int]schema{1: {role: mapping}, 5: {role: text}, 6: {role: text}}},
		profileLocation: {message, map[int]schema{1: {role: location}, 2: {role: mapping}, 4: {message, map[int]schema{1: {role: function}}}}},
		profileFunction: {message, map[int]schema{1: {role: function}, 2: {role: text}, 3: {role: text}, 4: {role: text}}},
		7:               {role: text},
		8:               {role: text},
		11:              valueType,
		13:              {role: text},
		14:              {role: text},
	}
)

// A field is one of a message: a number (wire type 0), or bytes (wire type 2).
type field struct {
	number int
	bytes  bool
	value  uint64
	data   []byte
}

// each calls f with every field of a message.
func each(b []byte, f func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<20 {
			return fmt.Errorf("%w: a field's tag", ErrProfile)
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w: a field's value", ErrProfile)
		}
		b = b[n:]
		one := field{number: int(tag >> 3), value: v}
		switch tag & 7 {
		case 0:
		case 2:
			if v > uint64(len(b)) {
				return fmt.Errorf("%w: a field of %d bytes, %d are left", ErrProfile, v, len(b))
			}
			one.bytes, one.data, b = true, b[:v], b[v:]
		default:
			return fmt.Errorf("%w: wire type %d", ErrProfile, tag&7)
		}
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

func appendNumber(out []byte, number int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(out, uint64(number)<<3), v)
}

func appendBytes(out []byte, number int, data []byte) []byte {
	out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(number)<<3|2), uint64(len(data)))
	return append(out, data...)
}

// A part is one profile while it is added.
type part struct {
	merger *Merger
	own    []string // its table of strings
	base   ids      // its numbers begin after these
	most   ids      // the highest numbers so far
	body   []byte
	labels []byte // rank and host, as fields of a sample
	host   []byte // host alone
}

// label is a label, as a field of a sample.
func (p *part) label(key, value string) []byte {
	l := appendNumber(appendNumber(nil, 1, p.merger.intern(key)), 2, p.merger.intern(value))
	return appendBytes(nil, sampleLabel, l)
}

// rewrite appends f to out, changed as its schema says.
func (p *part) rewrite(out []byte, f field, s schema) ([]byte, error) {
	switch s.role {
	case keep:
	case message, sampleRole:
		if !f.bytes {
			return nil, fmt.Errorf("%w: field %d is no message", ErrProfile, f.number)
		}
		var inner []byte
		ranked := false
		err := each(f.data, func(g field) (err error) {
			if s.role == sampleRole && g.number == sampleLabel {
				ranked = ranked || p.isRank(g.data)
			}
			inner, err = p.rewrite(inner, g, s.fields[g.number])
			return err
		})
		if err != nil {
			return nil, err
		}
		switch {
		case s.role == sampleRole && ranked:
			inner = append(inner, p.host...)
		case s.role == sampleRole:
			inner = append(inner, p.labels...)
		}
		return appendBytes(out, f.number, inner), nil
	default:
		if f.bytes { // several numbers, packed
			var inner []byte
			for b := f.data; len(b) > 0; {
				v, n := binary.Uvarint(b)
				if n <= 0 {
					return nil, fmt.Errorf("%w: packed numbers", ErrProfile)
				}
				v, err := p.number(v, s.role)
				if err != nil {
					return nil, err
				}
				inner, b = binary.AppendUvarint(inner, v), b[n:]
			}
			return appendBytes(out, f.number, inner), nil
		}
		v, err := p.number(f.value, s.role)
		if err != nil {
			return nil, err
		}
		return appendNumber(out, f.number, v), nil
	}
	if f.bytes {
		return appendBytes(out, f.number, f.data), nil
	}
	return appendNumber(out, f.number, f.value), nil
}

// isRank says whether a label of a sample is its rank.
func (p *part) isRank(l []byte) (is bool) {
	each(l, func(f field) error { // whoever rewrites it meets the error too
		is = is || f.number == 1 && f.value < uint64(len(p.own)) && p.own[f.value] == "rank"
		return nil
	})
	return is
}

// maxID bounds the numbers of one profile, so that sums do not overflow.
const maxID = 1 << 40

// number is a number of this profile in the merged one.
func (p *part) number(v uint64, as role) (uint64, error) {
	if as == text {
		if v >= uint64(len(p.own)) {
			return 0, fmt.Errorf("%w: string %d of %d", ErrProfile, v, len(p.own))
		}
		return p.merger.intern(p.own[v]), nil
	}
	if v > maxID {
		return 0, fmt.Errorf("%w: number %d", ErrProfile, v)
	}
	if v == 0 { // none
		return 0, nil
	}
	base, most := &p.base.location, &p.most.location
	switch as {
	case mapping:
		base, most = &p.base.mapping, &p.most.mapping
	case function:
		base, most = &p.base.function, &p.most.function
	}
	v += *base
	*most = max(*most, v)
	return v, nil
}
