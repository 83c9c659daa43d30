// Package format opens named n-dimensional arrays in files. It is the file side of lram, without any cache: what the bytes mean.
//
//  1. A reference names a file of a store and, after #, a variable: `winds.nc#u`, `builtin:gfs_uv.nc#v`, `winds.json`. [ParseRef] splits it.
//  2. [Open] opens the file in a store, finds the format by its first bytes (a raw description by its name's ending in .json) and lets that format's package read the header.
//  3. The result is a [Dataset]: one array ([array.Array]: shape, names, type, missing values, ReadBox) and the file it is in (coordinates, attributes, key).
//     Without # it is the file's only variable of the highest rank, coordinate variables aside.
//
// Below it: box (arithmetic of boxes), array (what an array is, and reading one that lies in rows or records), netcdf and raw (the formats), formattest
// (the suite that every format passes). A new format is a package with an Open and an entry in the table of open.go.
//
// Missing values are the values of the attributes _FillValue and missing_value; without _FillValue also the type's default fill value, as ncdump and
// netCDF4-python have it, except for types of one byte, where every value is likely to be data. The attributes valid_min, valid_max, valid_range and
// _Unsigned are not applied: they stay in Attrs for programs that care.
//
// The package starts no goroutine. A Dataset may be read by several goroutines at once.
package format
