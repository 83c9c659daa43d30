package windshear

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Summary is what summary.json holds.
type Summary struct {
	Times   int             `json:"times"`
	Regions []RegionSummary `json:"regions"`
}

// A RegionSummary describes the shear in a region, over all time steps or over one. The numbers of a region without a valid point are nil, null in JSON.
type RegionSummary struct {
	Name         string   `json:"name"`
	Points       int64    `json:"points"`  // valid ones
	Missing      int64    `json:"missing"` // left out
	Min          *float64 `json:"min"`     // m/s
	Mean         *float64 `json:"mean"`
	WeightedMean *float64 `json:"weighted_mean"` // by cos(latitude)
	Max          *float64 `json:"max"`
	Below8       *float64 `json:"share_below_8"` // of the valid points, 0 to 1
	Below10      *float64 `json:"share_below_10"`
	Below12_5    *float64 `json:"share_below_12_5"`
}

func summarize(name string, s Sums) RegionSummary {
	r := RegionSummary{Name: name, Points: s.Points, Missing: s.Missing}
	if s.Points == 0 {
		return r
	}
	n := float64(s.Points)
	mean := s.Sum / n
	weighted := mean // a region of the poles alone has no weight to speak of
	if s.Weight > 0 {
		weighted = s.WeightedSum / s.Weight
	}
	var share [len(thresholds)]float64
	for i, below := range s.Below {
		share[i] = float64(below) / n
	}
	r.Min, r.Max, r.Mean, r.WeightedMean = &s.Min, &s.Max, &mean, &weighted
	r.Below8, r.Below10, r.Below12_5 = &share[0], &share[1], &share[2]
	return r
}

// summary folds the whole run.
func (r *Results) summary() Summary {
	out := Summary{Times: len(r.Steps), Regions: []RegionSummary{}}
	for i, region := range r.Regions {
		out.Regions = append(out.Regions, summarize(region.Name, r.total(i)))
	}
	return out
}

func writeJSON(w io.Writer, s Summary) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(s)
}

// numbers are the columns after points and missing, in the order of all outputs.
func (r RegionSummary) numbers() []*float64 {
	return []*float64{r.Min, r.Mean, r.WeightedMean, r.Max, r.Below8, r.Below10, r.Below12_5}
}

// writeSeries writes a row for each time step and region; fields without a value are empty.
func writeSeries(w io.Writer, r *Results) error {
	out := csv.NewWriter(w)
	out.Write([]string{"step", "time", "region", "points", "missing", "min", "mean", "weighted_mean", "max", "share_below_8", "share_below_10", "share_below_12_5"})
	for t, step := range r.Steps {
		for i, s := range step {
			row := summarize(r.Regions[i].Name, s)
			record := []string{
				strconv.Itoa(t), r.Grid.timeLabel(t), row.Name,
				strconv.FormatInt(row.Points, 10), strconv.FormatInt(row.Missing, 10),
			}
			for _, v := range row.numbers() {
				cell := ""
				if v != nil {
					cell = strconv.FormatFloat(*v, 'g', -1, 64)
				}
				record = append(record, cell)
			}
			out.Write(record)
		}
	}
	out.Flush()
	return out.Error()
}

// writeTable prints the summary for people.
func writeTable(w io.Writer, heading []string, boxes []region, s Summary) error {
	rows := [][]string{{"region", "", "points", "missing", "min", "mean", "weighted", "max", "<8", "<10", "<12.5"}}
	for i, r := range s.Regions {
		edges := boxes[i].Edges()
		if edges == r.Name {
			edges = ""
		}
		row := []string{r.Name, edges, strconv.FormatInt(r.Points, 10), strconv.FormatInt(r.Missing, 10)}
		for j, v := range r.numbers() {
			switch {
			case v == nil:
				row = append(row, "-")
			case j < 4:
				row = append(row, fmt.Sprintf("%.4f", *v))
			default:
				row = append(row, fmt.Sprintf("%.1f%%", 100**v))
			}
		}
		rows = append(rows, row)
	}
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for j, cell := range row {
			width[j] = max(width[j], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range heading {
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
	for i, row := range rows {
		var line strings.Builder
		for j, cell := range row {
			pad := strings.Repeat(" ", width[j]-utf8.RuneCountInString(cell))
			gap := "  "
			if width[j] == 0 {
				continue
			}
			if j == 0 {
				gap = ""
			}
			if j < 2 {
				line.WriteString(gap + cell + pad)
			} else {
				line.WriteString(gap + pad + cell)
			}
		}
		text := strings.TrimRight(line.String(), " ")
		b.WriteString(text + "\n")
		if i == 0 {
			b.WriteString(strings.Repeat("─", utf8.RuneCountInString(line.String())) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// meanMap is the shear of each point averaged over time, NaN where it was never valid.
func (r *Results) meanMap() []float64 {
	out := make([]float64, len(r.mean))
	for i, m := range r.mean {
		out[i] = math.NaN()
		if m.n > 0 {
			out[i] = m.sum / float64(m.n)
		}
	}
	return out
}
