package windshear

import (
	"math"
	"strconv"
	"strings"
	"time"
)

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
