// Package raw reads arrays that lie in a file without any header, described by a JSON file beside it.
//
//	{
//	  "path": "u.bin",                       relative to this description
//	  "name": "u",                           default: the description's name without .json
//	  "dtype": "float32",                    int8 ... uint64, float32, float64
//	  "byte_order": "little",                or "big"; default little
//	  "shape": [64, 33, 36],                 slowest first
//	  "dims": ["time", "lat", "lon"],        default dim0, dim1, ...
//	  "coordinates": {"lat": {"values": [90, 87.5], "unit": "degrees_north"}},
//	  "offset": 512,                         bytes in front of the first element
//	  "record_stride": 4760,                 bytes from one index of the slowest dimension to the next; default: no gaps
//	  "missing": -9999,                      one stored value or a list; strings "NaN", "Infinity", "-Infinity" too
//	  "scale": 0.01, "add_offset": 273.15,   value = stored*scale + add_offset
//	  "unit": "m/s",
//	  "attributes": {"long_name": "..."}
//	}
//
// path, dtype and shape must be there. A field that is not known is an error, so that a misspelt one cannot be ignored. The data file must hold everything
// that the description promises; [Open] checks it.
package raw
