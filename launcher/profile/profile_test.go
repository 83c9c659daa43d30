package profile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"testing"

	"github.com/google/pprof/profile"
)

// sample makes a profile of n functions, each seen once, and labels every second
// sample with a rank; "" is no label.
func sample(t testing.TB, n int, rank string) []byte {
	t.Helper()
	m := &profile.Mapping{ID: 1, Start: 0x1000, Limit: 0x2000, File: "/bin/prog"}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e7, DurationNanos: 5e9,
		Mapping: []*profile.Mapping{m},
	}
	for i := range n {
		f := &profile.Function{ID: uint64(i + 1), Name: fmt.Sprint("f", i), Filename: "f.go"}
		l := &profile.Location{ID: uint64(i + 1), Mapping: m, Address: uint64(0x1000 + i), Line: []profile.Line{{Function: f, Line: int64(i)}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		s := &profile.Sample{Location: []*profile.Location{l}, Value: []int64{1, 1e7}}
		if rank != "" && i%2 == 0 {
			s.Label = map[string][]string{"rank": {rank}}
		}
		p.Sample = append(p.Sample, s)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestMerge: pprof's own package reads the sum, with every sample under its rank,
// host and function.
func TestMerge(t *testing.T) {
	var m Merger
	adds := []struct {
		n           int
		label, host string
		ranks       []int
	}{{5, "", "a", []int{0}}, {1, "2", "b", []int{1, 2}}, {0, "", "b", []int{3}}, {93, "7", "c", []int{6, 7}}}
	want := map[string]int{}
	for _, a := range adds {
		if err := m.Add(sample(t, a.n, a.label), a.host, a.ranks); err != nil {
			t.Fatal(err)
		}
		for i := range a.n {
			rank := fmt.Sprint(a.ranks[0])
			if a.label != "" && i%2 == 0 {
				rank = a.label
			}
			want[fmt.Sprint(rank, a.host, "f", i)]++
		}
	}
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseData(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sample {
		if len(s.Label["rank"]) != 1 || len(s.Label["host"]) != 1 || len(s.Location) != 1 || s.Location[0].Mapping.File != "/bin/prog" {
			t.Fatalf("sample %+v", s)
		}
		f := s.Location[0].Line[0].Function
		want[s.Label["rank"][0]+s.Label["host"][0]+f.Name]--
		if f.Filename != "f.go" || s.Value[1] != 1e7 {
			t.Errorf("%+v", s)
		}
	}
	for k, n := range want {
		if n != 0 {
			t.Errorf("sample %s: %d too few", k, n)
		}
	}
	if p.Period != 1e7 || p.PeriodType.Type != "cpu" || p.DurationNanos != 5e9 || len(p.SampleType) != 2 {
		t.Errorf("%+v", p)
	}
}

func TestNothing(t *testing.T) {
	var m Merger
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := profile.ParseData(out.Bytes()); err != nil {
		t.Error(err)
	}
}

// TestRefused: what is no profile does not spoil what came before.
func TestRefused(t *testing.T) {
	var m Merger
	good := sample(t, 3, "")
	if err := m.Add(good, "a", []int{0}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte("text"), good[:len(good)/2], zipped([]byte{0xff}), zipped([]byte{0x12, 0x05}), zipped(nil)} {
		if err := m.Add(bad, "a", []int{1}); !errors.Is(err, ErrProfile) {
			t.Errorf("%x: %v", bad, err)
		}
	}
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	if p, err := profile.ParseData(out.Bytes()); err != nil || len(p.Sample) != 3 {
		t.Errorf("%v", err)
	}
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func FuzzAdd(f *testing.F) {
	f.Add(unzipped(f, sample(f, 3, "1")))
	f.Add([]byte{0x32, 0x00, 0x12, 0x02, 0x08, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Merger
		if err := m.Add(zipped(b), "host", []int{1}); err != nil {
			if !errors.Is(err, ErrProfile) {
				t.Error(err)
			}
			return
		}
		var out bytes.Buffer
		if err := m.Write(&out); err != nil {
			t.Error(err)
		}
	})
}

func unzipped(t testing.TB, b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
