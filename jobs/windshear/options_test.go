package windshear

import (
	"errors"
	"strings"
	"testing"
)

func TestParseArgs(t *testing.T) {
	o, err := parseArgs(nil)
	if err != nil || o.U != builtinWinds+"#u" || o.V != builtinWinds+"#v" || o.Upper != 200 || o.Lower != 850 || len(o.Boxes) != 3 || o.boxesNamed {
		t.Errorf("defaults: %+v, %v", o, err)
	}
	o, err = parseArgs([]string{"--u", "a.nc#u", "--v=b.nc#v", "--upper=500", "--lower", "925.5", "--box", "-85,-20,10,20", "--box=E=0,10,0,10", "--out", "-odd", "--memory=1.5G"})
	if err != nil || o.U != "a.nc#u" || o.V != "b.nc#v" || o.Upper != 500 || o.Lower != 925.5 || len(o.Boxes) != 2 || o.Boxes[1].Name != "E" || o.Out != "-odd" || o.Memory != 3<<29 {
		t.Errorf("all: %+v, %v", o, err)
	}
	o, err = parseArgs([]string{"--u-upper=a", "--u-lower=b", "--v-upper=c", "--v-lower=d"})
	if err != nil || o.U != "" || o.VLower != "d" {
		t.Errorf("separate: %+v, %v", o, err)
	}
	if o, err = parseArgs([]string{"-h"}); err != nil || !o.Help {
		t.Errorf("help: %+v, %v", o, err)
	}
}

func TestParseArgsErrors(t *testing.T) {
	for line, want := range map[string]string{
		"--uper 3":                "did you mean --upper?",
		"--bx 1,2,3,4":            "did you mean --box?",
		"--mem 3":                 "see --help",
		"--zzz":                   "see --help",
		"file.nc":                 "unexpected argument",
		"-u x":                    "unexpected argument",
		"--upper":                 "needs a value: --upper HPA",
		"--upper 200hPa":          "not a pressure",
		"--upper -3":              "not a pressure",
		"--upper NaN":             "not a pressure",
		"--lower 200":             "both 200 hPa",
		"--help=yes":              "takes no value",
		"--u a":                   "--u and --v go together",
		"--u-upper a":             "need all of",
		"--u a --v b --u-upper c": "need all of",
		"--box 1,2,3":             "four edges",
		"--out=":                  "is empty",
		"--memory lots":           "not a number of bytes",
		"--memory 0":              "not a number of bytes",
		"--memory 99999999999T":   "not a number of bytes",
		"--u a --v b --u-upper=c --u-lower=d --v-upper=e --v-lower=f": "either --u and --v",
	} {
		_, err := parseArgs(strings.Fields(line))
		var coded interface{ ExitCode() int }
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "windshear: ") {
			t.Errorf("%s: %v, want %q in one line", line, err, want)
		}
		if !errors.As(err, &coded) || coded.ExitCode() != 2 {
			t.Errorf("%s: exit code not 2", line)
		}
	}
}

func FuzzParseArgs(f *testing.F) {
	f.Add("--u a --v b --box 1,2,3,4")
	f.Add("--memory=3KiB --out x --help")
	f.Fuzz(func(t *testing.T, line string) {
		o, err := parseArgs(strings.Fields(line))
		if err == nil && (len(o.Boxes) == 0 || o.Memory < 0) {
			t.Errorf("%q gave %+v", line, o)
		}
	})
}

func TestUsageNamesEveryFlag(t *testing.T) {
	for _, o := range options() {
		if !strings.Contains(usage(), "--"+o.name) {
			t.Errorf("the help does not mention --%s", o.name)
		}
	}
	for _, line := range strings.Split(usage(), "\n") {
		if len(line) > 120 {
			t.Errorf("long line: %s", line)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "512K": 512 << 10, "64MiB": 64 << 20, "2gb": 2 << 30, "1.5M": 3 << 19, "1T": 1 << 40, "10B": 10} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		unit   string
		levels []float64
		want   int // index of 200 hPa, -1 for an error
	}{
		{"Pa", []float64{85000, 20000}, 1},
		{"hPa", []float64{850, 200}, 1},
		{"millibars", []float64{200, 850}, 0},
		{"mb", []float64{1000, 850, 200}, 2},
		{"kPa", []float64{85, 20}, 1},
		{"level", []float64{1000, 850, 200}, 2},
		{"", []float64{100000, 20000}, 1},
		{"", []float64{1000, 199.99}, 1},
		{"hPa", []float64{850, 250}, -1},
		{"K", []float64{850, 200}, -1},
		{"m", []float64{850, 200}, -1},
		{"1", []float64{0.85, 0.2}, -1}, // sigma levels
		{"", []float64{1, 2, 3}, -1},    // numbers of model levels
	} {
		p, err := hectopascals(tc.levels, tc.unit)
		i := -1
		if err == nil {
			i, err = findLevel(p, 200)
		}
		if (tc.want < 0) != (err != nil) || err == nil && i != tc.want {
			t.Errorf("%v %s: index %d, %v", tc.levels, tc.unit, i, err)
		}
	}
	if _, err := findLevel([]float64{1000, 850, 700}, 200); err == nil || !strings.Contains(err.Error(), "it has 1000, 850, 700 hPa") {
		t.Errorf("the error does not say which levels there are: %v", err)
	}
}

func TestTimeLabels(t *testing.T) {
	for _, tc := range []struct {
		unit, calendar string
		v              float64
		want           string
	}{
		{"hours since 2011-10-8 00:00:00", "proleptic_gregorian", 72, "2011-10-11T00:00:00Z"},
		{"days since 1900-01-01", "standard", 0.5, "1900-01-01T12:00:00Z"},
		{"seconds since 1970-01-01T00:00:00Z", "", 1e9, "2001-09-09T01:46:40Z"},
		{"hours since 1-1-1 00:00:0.0", "", 17628096, "1.7628096e+07"},
		{"minutes since 2000-02-28 23:30 UTC", "gregorian", 60, "2000-02-29T00:30:00Z"},
		{"days since 2000-01-01", "noleap", 60, "60"},
		{"months since 2000-01-01", "", 3, "3"},
		{"hours since Tuesday", "", 6, "6"},
		{"days since 2000-01-01", "", 1e300, "1e+300"},
		{"", "", 6.25, "6.25"},
	} {
		if got := (Grid{TimeUnit: tc.unit, Calendar: tc.calendar, Times: []float64{tc.v}}).timeLabel(0); got != tc.want {
			t.Errorf("%g %s: %s, want %s", tc.v, tc.unit, got, tc.want)
		}
	}
}

func isUsage(err error) bool {
	var coded interface{ ExitCode() int }
	return errors.As(err, &coded) && coded.ExitCode() == 2
}
