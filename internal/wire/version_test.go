package wire

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "record the layout of this Version")

// TestVersion: what goes over the wire has the layout that testdata/layout has for
// this Version. A change of messages or of the frame's size needs another
// Version, so that programs built before are told so.
func TestVersion(t *testing.T) {
	h := sha256.New()
	fmt.Fprintln(h, HeaderSize, MaxBody, MaxControl, Magic)
	for _, m := range messages {
		v := m()
		fmt.Fprintln(h, v.kind(), layout(reflect.TypeOf(v).Elem(), map[reflect.Type]bool{}))
	}
	now := fmt.Sprintf("%d %x\n", Version, h.Sum(nil)[:8])
	const path = "testdata/layout"
	text, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update {
		if old := string(text); old != now && strings.HasPrefix(old, fmt.Sprintf("%d ", Version)) {
			t.Fatalf("the layout has changed: count Version up first, %d is taken", Version)
		}
		if err := os.WriteFile(path, []byte(now), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != now {
		t.Errorf("Version %d had another layout: count it up in control.go, then `go test ./internal/wire -run Version -update`", Version)
	}
}

// layout writes a type out: names and types of all fields, in order.
func layout(t reflect.Type, seen map[reflect.Type]bool) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return t.Kind().String() + " " + layout(t.Elem(), seen)
	case reflect.Map:
		return "map " + layout(t.Key(), seen) + " " + layout(t.Elem(), seen)
	case reflect.Struct:
		if seen[t] {
			return t.Name()
		}
		seen[t] = true
		var b strings.Builder
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(&b, "%s:%s;", f.Name, layout(f.Type, seen))
		}
		return t.Name() + "{" + b.String() + "}"
	}
	return t.Kind().String()
}
