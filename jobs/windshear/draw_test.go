package windshear

import (
	"os"
	"testing"

	"gridrun/jobs/windshear/chart"
)

func TestDrawTmp(t *testing.T) {
	for name, in := range map[string]*planes{"gfs": gfs(t), "storm": storm(t)} {
		r := computeAs(t, in, []Box{{"globe", -180, 180, -90, 90}}, 1, 1, true)
		var boxes []chart.Box
		for _, b := range defaultBoxes() {
			boxes = append(boxes, chart.Box(b))
		}
		m := chart.Map{Lat: in.grid.Lat, Lon: in.grid.Lon, Values: r.meanMap(), Title: "Vertical wind shear, 200 minus 850 hPa", Subtitle: "2011-10-11 00:00 UTC, builtin:gfs_uv_20111008.nc", Unit: "m/s", Contour: 8, Boxes: boxes}
		f, _ := os.Create("/tmp/ws_" + name + ".png")
		if err := m.WritePNG(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}
