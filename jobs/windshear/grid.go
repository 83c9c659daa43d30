package windshear

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Grid says where the points of the fields lie: times x latitudes x longitudes, latitudes in either order, longitudes from 0 to 360 or from -180 to 180.
type Grid struct {
	Times    []float64
	TimeUnit string // as in the file: "hours since 2011-10-08", or empty
	Calendar string
	Lat, Lon []float64 // degrees
}

// validate rejects coordinates that cannot be latitudes and longitudes of a grid.
func (g Grid) validate() error {
	if len(g.Times) == 0 || len(g.Lat) == 0 || len(g.Lon) == 0 {
		return usageErrorf("the grid is empty: %d time steps, %d latitudes, %d longitudes", len(g.Times), len(g.Lat), len(g.Lon))
	}
	for _, v := range g.Lat {
		if !(v >= -90-onEdge && v <= 90+onEdge) {
			return usageErrorf("latitude %g in the file is outside -90 to 90 degrees", v)
		}
	}
	for _, v := range g.Lon {
		if !(v >= -360-onEdge && v <= 720+onEdge) {
			return usageErrorf("longitude %g in the file is not in degrees east", v)
		}
	}
	for _, axis := range []struct {
		name   string
		values []float64
	}{{"latitudes", g.Lat}, {"longitudes", g.Lon}} {
		v := axis.values
		for i := 1; i < len(v); i++ {
			if (v[i] > v[i-1]) != (v[1] > v[0]) || v[i] == v[i-1] {
				return usageErrorf("the %s in the file neither rise nor fall throughout (%g follows %g)", axis.name, v[i], v[i-1])
			}
		}
	}
	return nil
}

// weights are the cosines of the latitudes, the area that a point of each row stands for.
func (g Grid) weights() []float64 {
	w := make([]float64, len(g.Lat))
	for i, lat := range g.Lat {
		w[i] = math.Max(0, math.Cos(lat*math.Pi/180))
	}
	return w
}

// extent describes the grid for messages, in the file's own numbers.
func (g Grid) extent() string {
	west, east, south, north := g.Lon[0], g.Lon[len(g.Lon)-1], g.Lat[0], g.Lat[len(g.Lat)-1]
	return fmt.Sprintf("longitudes %g to %g and latitudes %g to %g", min(west, east), max(west, east), min(south, north), max(south, north))
}

// A region is a box laid on a grid: the rows and columns whose points it holds.
type region struct {
	Box
	row  []bool // for each latitude, whether it is in the box
	cols []int  // the longitudes in the box, in the grid's order
}

func (r region) rows() (n int) {
	for _, in := range r.row {
		if in {
			n++
		}
	}
	return n
}

func layRegion(g Grid, b Box) region {
	r := region{Box: b, row: make([]bool, len(g.Lat))}
	for i, lat := range g.Lat {
		r.row[i] = b.HasLat(lat)
	}
	lons := g.Lon
	// Some files repeat the first meridian at the end (0 and 360); its points count once.
	if n := len(lons); n > 1 && math.Abs(math.Abs(lons[n-1]-lons[0])-360) < onEdge {
		lons = lons[:n-1]
	}
	for j, lon := range lons {
		if b.HasLon(lon) {
			r.cols = append(r.cols, j)
		}
	}
	return r
}

// layRegions lays the boxes on the grid. A box that the user asked for must hold a point; the default boxes may miss a regional grid and are then reported as empty.
func layRegions(g Grid, boxes []Box, asked bool) ([]region, error) {
	regions := make([]region, len(boxes))
	for i, b := range boxes {
		r := layRegion(g, b)
		if asked && (r.rows() == 0 || len(r.cols) == 0) {
			return nil, usageErrorf("box %s holds no grid point; the grid covers %s with %s", boxTitle(b), g.extent(), spacing(g))
		}
		regions[i] = r
	}
	return regions, nil
}

func boxTitle(b Box) string {
	if b.Name == b.Edges() {
		return b.Name
	}
	return fmt.Sprintf("%s (%s)", b.Name, b.Edges())
}

func spacing(g Grid) string {
	step := func(v []float64) float64 {
		if len(v) < 2 {
			return 0
		}
		return math.Abs(v[len(v)-1]-v[0]) / float64(len(v)-1)
	}
	return fmt.Sprintf("a point every %.4g degrees of longitude and %.4g of latitude", step(g.Lon), step(g.Lat))
}

// timeLabel writes the time of a step in UTC where the unit of the time coordinate allows it ("hours since 2011-10-08"), else as the number that the file has.
func (g Grid) timeLabel(step int) string {
	if at, ok := calendarTime(g.TimeUnit, g.Calendar, g.Times[step]); ok {
		return at.Format("2006-01-02T15:04:05Z")
	}
	return strconv.FormatFloat(g.Times[step], 'g', -1, 64)
}

// calendarTime understands "UNIT since DATE [TIME]" (CF conventions, section 4.4) on the calendars that agree with Go's.
func calendarTime(unit, calendar string, v float64) (time.Time, bool) {
	switch strings.ToLower(calendar) {
	case "", "standard", "gregorian", "proleptic_gregorian":
	default:
		return time.Time{}, false
	}
	word, since, ok := strings.Cut(unit, " since ")
	if !ok || math.IsNaN(v) {
		return time.Time{}, false
	}
	var scale time.Duration
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "seconds", "second", "secs", "sec", "s":
		scale = time.Second
	case "minutes", "minute", "mins", "min":
		scale = time.Minute
	case "hours", "hour", "hrs", "hr", "h":
		scale = time.Hour
	case "days", "day", "d":
		scale = 24 * time.Hour
	default:
		return time.Time{}, false
	}
	origin, ok := parseOrigin(since)
	whole, part := math.Modf(v)
	if !ok || math.Abs(whole) > 1e12 {
		return time.Time{}, false
	}
	// Before October 1582 the standard calendar is the Julian one, which package time does not have.
	if strings.ToLower(calendar) != "proleptic_gregorian" && origin.Before(time.Date(1582, time.October, 15, 0, 0, 0, 0, time.UTC)) {
		return time.Time{}, false
	}
	// Seconds rather than a Duration, which ends after 292 years.
	seconds := int64(whole) * int64(scale/time.Second)
	at := time.Unix(origin.Unix()+seconds, 0).Add(time.Duration(math.Round(part * float64(scale)))).UTC().Round(time.Second)
	return at, at.Year() >= 0 && at.Year() <= 9999
}

// parseOrigin reads 2011-10-8, 2011-10-08 00:00, 2011-10-08T00:00:00Z and 2011-10-08 00:00:00.0.
func parseOrigin(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	for _, suffix := range []string{"UTC", "GMT", "Z", "+00:00", "+0:00"} {
		text = strings.TrimSpace(strings.TrimSuffix(text, suffix))
	}
	text = strings.Replace(text, "T", " ", 1)
	for _, layout := range []string{"2006-1-2", "2006-1-2 15:4", "2006-1-2 15:4:5"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
