package raw

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gridrun/lram/format/array"
)

// description is the JSON file, decoded but not yet checked against the data.
type description struct {
	Path         string
	Name         string
	DType        string
	ByteOrder    string
	Shape        []int
	Dims         []string
	Axes         map[string]array.Axis
	Offset       int64
	RecordStride int64
	Missing      []json.Number
	Scale        *float64
	AddOffset    *float64
	Unit         string
	Attrs        map[string]any
}

// parse decodes a description. Errors name the field and what it should be.
func parse(text []byte) (*description, error) {
	d := &description{ByteOrder: "little"}
	fields := map[string]field{
		"path":          into(&d.Path, "a string"),
		"name":          into(&d.Name, "a string"),
		"dtype":         into(&d.DType, "a string"),
		"byte_order":    into(&d.ByteOrder, `"little" or "big"`),
		"shape":         into(&d.Shape, "a list of whole numbers"),
		"dims":          into(&d.Dims, "a list of strings"),
		"coordinates":   d.coordinates,
		"offset":        into(&d.Offset, "a whole number of bytes"),
		"record_stride": into(&d.RecordStride, "a whole number of bytes"),
		"missing":       d.missing,
		"scale":         into(&d.Scale, "a number"),
		"add_offset":    into(&d.AddOffset, "a number"),
		"unit":          into(&d.Unit, "a string"),
		"attributes":    d.attributes,
	}
	if err := object(text, fields); err != nil {
		return nil, err
	}
	for _, must := range []struct {
		name  string
		there bool
	}{{"path", d.Path != ""}, {"dtype", d.DType != ""}, {"shape", d.Shape != nil}} {
		if !must.there {
			return nil, fmt.Errorf("the field %q is missing", must.name)
		}
	}
	return d, nil
}

// field decodes the value of one JSON field.
type field func(text json.RawMessage) error

func into[T any](to *T, want string) field {
	return func(text json.RawMessage) error {
		if err := json.Unmarshal(text, to); err != nil {
			return fmt.Errorf("it should be %s, not %s", want, short(text))
		}
		return nil
	}
}

// object decodes a JSON object whose fields are all known.
func object(text []byte, fields map[string]field) error {
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		decode, ok := fields[name]
		if !ok {
			return unknown(name, slices.Sorted(maps.Keys(fields)))
		}
		if err := decode(got[name]); err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
	}
	return nil
}

func unknown(name string, known []string) error {
	best, distance := "", 3 // more than two typing errors are another word
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Errorf("the field %q is not known; did you mean %q?", name, best)
	}
	return fmt.Errorf("the field %q is not known (there are: %s)", name, strings.Join(known, ", "))
}

// editDistance counts insertions, deletions and replacements between two words (Levenshtein; one row of the table at a time).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (d *description) coordinates(text json.RawMessage) error {
	var axes map[string]json.RawMessage
	if err := json.Unmarshal(text, &axes); err != nil {
		return fmt.Errorf(`it should be an object like {"lat": {"values": [0, 1], "unit": "degrees_north"}}, not %s`, short(text))
	}
	d.Axes = make(map[string]array.Axis)
	for _, dim := range slices.Sorted(maps.Keys(axes)) {
		var a array.Axis
		err := object(axes[dim], map[string]field{
			"values": into(&a.Values, "a list of numbers"),
			"unit":   into(&a.Unit, "a string"),
		})
		if err != nil {
			return fmt.Errorf("%s: %w", dim, err)
		}
		d.Axes[dim] = a
	}
	return nil
}

// missing takes a number, one of the words for numbers that JSON lacks, or a list of these.
func (d *description) missing(text json.RawMessage) error {
	const want = `it should be a number, "NaN", "Infinity", "-Infinity" or a list of these, not %s`
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return fmt.Errorf(want, short(text))
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	for _, m := range list {
		switch x := m.(type) {
		case json.Number:
			d.Missing = append(d.Missing, x)
		case string:
			if x != "NaN" && x != "Infinity" && x != "-Infinity" {
				return fmt.Errorf(want, short(text))
			}
			d.Missing = append(d.Missing, json.Number(x))
		default:
			return fmt.Errorf(want, short(text))
		}
	}
	return nil
}

// missingValues are the missing values as elements of the stored type.
func (d *description) missingValues(dtype array.DType) ([]any, error) {
	var out []any
	for _, n := range d.Missing {
		v, ok := dtype.Convert(parseNumber(string(n)))
		if !ok {
			return nil, fmt.Errorf("field %q: %s is not a value of type %s", "missing", n, dtype)
		}
		out = append(out, v)
	}
	return out, nil
}

// parseNumber keeps whole numbers whole: a float64 has too few digits for 64-bit ones.
func parseNumber(s string) any {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return u
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil // no number: Convert refuses it
	}
	return f
}

func (d *description) attributes(text json.RawMessage) error {
	const want = "it should be an object of strings, numbers and lists of numbers; %q is %s"
	var attrs map[string]json.RawMessage
	if err := json.Unmarshal(text, &attrs); err != nil {
		return fmt.Errorf("it should be an object of strings, numbers and lists of numbers, not %s", short(text))
	}
	d.Attrs = make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		var s *string
		var x *float64
		var list []float64
		switch raw := attrs[name]; {
		case json.Unmarshal(raw, &s) == nil && s != nil:
			d.Attrs[name] = *s
		case json.Unmarshal(raw, &x) == nil && x != nil:
			d.Attrs[name] = *x
		case json.Unmarshal(raw, &list) == nil && list != nil:
			d.Attrs[name] = list
		default:
			return fmt.Errorf(want, name, short(raw))
		}
	}
	return nil
}

// short is JSON text cut to fit a message.
func short(text json.RawMessage) string {
	if len(text) > 40 {
		return string(text[:40]) + "..."
	}
	return string(text)
}
