// Package netcdf reads and writes NetCDF classic files: CDF-1, CDF-2 (64-bit offsets) and CDF-5 (64-bit counts, unsigned and 64-bit types). It follows
// the published grammar ("NetCDF Classic Format Specification", Unidata, with the CDF-5 extension by the PnetCDF project); nothing but Go is needed.
//
// The layout of a file:
//
//	magic numrecs dimensions attributes variables        the header, big-endian, everything padded to 4 bytes
//	variable variable ...                                variables without the record dimension, each at its "begin"
//	record 0: var var ... | record 1: var var ... | ...  one slab of each record variable per record
//
// Reading, [Open]:
//
//  1. decode.go parses the header with a cursor that knows how many bytes the file still has: a count that the rest of the file could not hold is an error
//     before anything is allocated for it.
//  2. layout.go computes the size of each variable from its shape (the stored vsize overflows for large ones and is not used), the size of a record (a lone
//     record variable is not padded), and the number of records when a streaming writer left it open.
//  3. Every variable's bytes must be in the file; a truncated file is refused by [Open], which names the variable.
//  4. Each variable becomes an [array.Array] whose reader strides over records.
//
// Writing, [Write]: a [Content] in memory goes out front to back, in the oldest version of the format that can hold it.
//
// The package starts no goroutine.
package netcdf
