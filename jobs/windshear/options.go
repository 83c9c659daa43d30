package windshear

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// builtinWinds is the file embedded in the binary, the input when none is named.
const builtinWinds = "builtin:gfs_uv_20111008.nc"

// A UsageError is a mistake of the user rather than of the machine: a wrong flag, or a variable, level or box that the file does not have.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return "windshear: " + e.text }

// ExitCode is what the job exits with.
func (e *UsageError) ExitCode() int { return 2 }

func usageErrorf(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// Options are the job's arguments.
type Options struct {
	U, V                           string // arrays with a level dimension
	UUpper, ULower, VUpper, VLower string // arrays of one level each; they win over U and V
	Upper, Lower                   float64
	levelsNamed                    bool // --upper or --lower was given
	Boxes                          []Box
	boxesNamed                     bool // Boxes are the user's, not the default
	Out                            string
	Memory                         int64
	Help                           bool
}

// An option is one row of the table that both the parser and the help text come from.
type option struct {
	name, value, help string
	set               func(o *Options, value string) error // nil value name: called with ""
}

func text(to func(o *Options) *string) func(*Options, string) error {
	return func(o *Options, v string) error {
		if v == "" {
			return fmt.Errorf("is empty")
		}
		*to(o) = v
		return nil
	}
}

func pressure(to func(o *Options) *float64) func(*Options, string) error {
	return func(o *Options, v string) error {
		p, err := strconv.ParseFloat(v, 64)
		if err != nil || !(p > 0) || math.IsInf(p, 0) {
			return fmt.Errorf("is %q, not a pressure in hPa", v)
		}
		*to(o), o.levelsNamed = p, true
		return nil
	}
}

func options() []option {
	return []option{
		{"u", "REF", "eastward wind with a level dimension (default " + builtinWinds + "#u)", text(func(o *Options) *string { return &o.U })},
		{"v", "REF", "northward wind with a level dimension (default " + builtinWinds + "#v)", text(func(o *Options) *string { return &o.V })},
		{"u-upper", "REF", "eastward wind of the upper level, an array of its own", text(func(o *Options) *string { return &o.UUpper })},
		{"u-lower", "REF", "eastward wind of the lower level", text(func(o *Options) *string { return &o.ULower })},
		{"v-upper", "REF", "northward wind of the upper level", text(func(o *Options) *string { return &o.VUpper })},
		{"v-lower", "REF", "northward wind of the lower level", text(func(o *Options) *string { return &o.VLower })},
		{"upper", "HPA", "upper level in hPa, whatever the unit in the file (default 200)", pressure(func(o *Options) *float64 { return &o.Upper })},
		{"lower", "HPA", "lower level in hPa (default 850)", pressure(func(o *Options) *float64 { return &o.Lower })},
		{"box", "[NAME=]W,E,S,N", "a region in degrees, such as 85W,20W,10N,20N or -85,-20,10,20; may be repeated\n(default: the globe, the Atlantic and its main development region)", func(o *Options, v string) error {
			b, err := parseBox(v)
			if err != nil {
				return err
			}
			o.Boxes = append(o.Boxes, b)
			return nil
		}},
		{"out", "DIR", "write summary.json, series.csv, shear.nc and shear.png to DIR", text(func(o *Options) *string { return &o.Out })},
		{"memory", "BYTES", "memory for cached blocks on each host, such as 512M or 2G (default: a quarter of the host's)", func(o *Options, v string) (err error) {
			o.Memory, err = parseBytes(v)
			return err
		}},
		{"help", "", "show this text", func(o *Options, _ string) error { o.Help = true; return nil }},
	}
}

// parseArgs reads the job's arguments: --name VALUE or --name=VALUE.
func parseArgs(args []string) (Options, error) {
	o := Options{Upper: 200, Lower: 850}
	known := options()
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "-h" {
			arg = "--help"
		}
		name, dashed := strings.CutPrefix(arg, "--")
		if !dashed {
			return o, usageErrorf("unexpected argument %q; all arguments are --flags (see --help)", arg)
		}
		name, value, inline := strings.Cut(name, "=")
		opt := lookUp(known, name)
		switch {
		case opt == nil:
			return o, usageErrorf("unknown flag --%s%s", name, suggestion(known, name))
		case opt.value == "" && inline:
			return o, usageErrorf("--%s takes no value", name)
		case opt.value != "" && !inline:
			if len(args) == 0 {
				return o, usageErrorf("--%s needs a value: --%s %s", name, name, opt.value)
			}
			value, args = args[0], args[1:]
		}
		if err := opt.set(&o, value); err != nil {
			return o, usageErrorf("--%s: %v", name, err)
		}
	}
	return o, o.complete()
}

// complete fills in the defaults and rejects combinations that make no sense.
func (o *Options) complete() error {
	if o.boxesNamed = len(o.Boxes) > 0; !o.boxesNamed {
		o.Boxes = defaultBoxes()
	}
	separate := 0
	for _, ref := range []string{o.UUpper, o.ULower, o.VUpper, o.VLower} {
		if ref != "" {
			separate++
		}
	}
	switch {
	case separate != 0 && separate != 4:
		return usageErrorf("separate arrays need all of --u-upper, --u-lower, --v-upper and --v-lower")
	case separate == 4 && (o.U != "" || o.V != ""):
		return usageErrorf("give either --u and --v, or --u-upper, --u-lower, --v-upper and --v-lower")
	case separate == 0 && (o.U == "") != (o.V == ""):
		return usageErrorf("--u and --v go together")
	case separate == 0 && o.U == "":
		o.U, o.V = builtinWinds+"#u", builtinWinds+"#v"
	}
	if separate == 0 && o.Upper == o.Lower {
		return usageErrorf("--upper and --lower are both %g hPa", o.Upper)
	}
	return nil
}

func lookUp(known []option, name string) *option {
	for i := range known {
		if known[i].name == name {
			return &known[i]
		}
	}
	return nil
}

// suggestion names the flag that the user probably meant, or points to --help.
func suggestion(known []option, name string) string {
	type guess struct {
		name string
		far  int
	}
	guesses := make([]guess, len(known))
	for i, o := range known {
		guesses[i] = guess{o.name, editDistance(name, o.name)}
	}
	sort.SliceStable(guesses, func(i, j int) bool { return guesses[i].far < guesses[j].far })
	if best := guesses[0]; best.far <= max(1, len(best.name)/3) {
		return "; did you mean --" + best.name + "?"
	}
	return " (see --help)"
}

// editDistance is Levenshtein's: the insertions, deletions and replacements that turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := diagonal
			if a[i-1] != b[j-1] {
				replaced++
			}
			diagonal = row[j]
			row[j] = min(replaced, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// parseBytes reads 1048576, 512K, 64M, 2G or 1T, with or without a B or iB behind; the suffixes are powers of 1024.
func parseBytes(text string) (int64, error) {
	number := strings.ToUpper(strings.TrimSpace(text))
	number = strings.TrimSuffix(strings.TrimSuffix(number, "B"), "I")
	shift := 0
	for i, suffix := range []string{"K", "M", "G", "T"} {
		if n, ok := strings.CutSuffix(number, suffix); ok {
			number, shift = n, 10*(i+1)
			break
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	bytes := v * float64(int64(1)<<shift)
	if err != nil || !(bytes >= 1) || bytes >= 1<<62 {
		return 0, fmt.Errorf("%q is not a number of bytes such as 512M or 2G", text)
	}
	return int64(bytes), nil
}

// usage is the text of --help.
func usage() string {
	var b strings.Builder
	b.WriteString(`windshear - vertical wind shear, the length of the difference between the winds at two levels

    S = sqrt((u200-u850)^2 + (v200-v850)^2)

Usage: gridrun -np N windshear [flags]

`)
	for _, o := range options() {
		lines := strings.Split(o.help, "\n")
		fmt.Fprintf(&b, "  %-22s %s\n", strings.TrimSpace("--"+o.name+" "+o.value), lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(&b, "  %-22s %s\n", "", line)
		}
	}
	b.WriteString(`
REF is FILE#VARIABLE (winds.nc#u), a file with one array, or a dataset description (winds.json).
Edges belong to a box; longitudes may run from 0 to 360 or from -180 to 180, and a box may cross
the seam (350,10,40,60). A missing value is left out and counted.
`)
	return b.String()
}
