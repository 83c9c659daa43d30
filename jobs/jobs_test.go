package jobs

import (
	"context"
	"slices"
	"strings"
	"testing"

	"gridrun/lram/format"
)

func TestTable(t *testing.T) {
	var names []string
	for _, j := range All() {
		names = append(names, j.Name)
		if j.Body == nil || j.Summary == "" || strings.ContainsAny(j.Name+j.Summary, "\n/") || len(j.Summary) > 80 {
			t.Errorf("job %q: %q", j.Name, j.Summary)
		}
		if got, ok := Find(j.Name); !ok || got.Name != j.Name {
			t.Errorf("%s is not found", j.Name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(All()) {
		t.Errorf("names are not sorted and unique: %v", names)
	}
	if _, ok := Find("no such job"); ok {
		t.Error("a job was found that is not there")
	}
}

// TestBuiltinWinds opens the embedded file as package lram does.
func TestBuiltinWinds(t *testing.T) {
	d, err := format.Open(context.Background(), Stores(), "builtin:gfs_uv_20111008.nc#u")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !slices.Equal(d.Shape, []int{1, 26, 73, 144}) {
		t.Errorf("shape %v", d.Shape)
	}
}
