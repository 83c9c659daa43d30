// Package windshear computes the vertical wind shear, the length of the difference between the winds at two levels:
//
//	S = sqrt((u200-u850)^2 + (v200-v850)^2)
//
// at each time, latitude and longitude, and its statistics over regions. It is the reading pattern that LambdaRAM was made for: of each time step only a few
// planes, or a small window of them, out of files far larger than what is wanted. What happens in a run, on every rank:
//
//  1. options.go reads the arguments; rank 0 prints the help, or makes the directory of --out and tells everybody whether that worked.
//  2. input.go opens the arrays through the job's cache; axes.go finds time, level, latitude and longitude, and the two levels by their pressure.
//  3. grid.go and box.go lay the regions on the grid. pieces.go cuts the work into pieces, one for each time step and band of latitude rows. The pieces depend on
//     the grid alone, and each rank gets a run of consecutive ones; with few of them, some ranks get none.
//  4. compute.go reads a piece, computes S and adds up each region's sums (sums.go). The next batch of time steps is prefetched meanwhile.
//  5. After each batch rank 0 gathers the sums, in the order of the pieces, and folds them in that order. Points are added within their piece and pieces within
//     their step, so the result is the same to the last digit for any number of ranks.
//  6. Rank 0 prints the table (report.go) and, with --out, publish.go writes summary.json, series.csv, shear.nc (ncfile.go) and shear.png (package chart) under temporary
//     names that become the real ones together (output.go).
//
// A point that lacks any of the four components is missing: left out of all sums, and counted. The package starts no goroutine.
package windshear
