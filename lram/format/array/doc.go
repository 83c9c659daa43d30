// Package array describes named n-dimensional arrays in a file, whatever the file's format: what every format package fills in and every reader uses.
//
//  1. A format's Open returns a [File]: its arrays, its attributes, its coordinates, and the store files that it holds open.
//  2. An [Array] is one variable: shape, names of the dimensions, stored type, attributes, missing values, packing, and where it lies.
//  3. [Array.ReadBox] checks the box and reads it: elements of the stored type, row-major, in this machine's byte order. It neither unpacks nor looks for
//     missing values; that is done where the destination's type is known.
//  4. [Strided] is the reader of arrays that lie in a file as rows or records; formats with chunks bring their own [Reader].
//
// Reads of one Array may run at the same time. The package starts no goroutine and keeps no data.
package array
