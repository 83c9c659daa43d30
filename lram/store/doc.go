// Package store says where the bytes of a dataset are: files of this machine, or file systems that the program carries with it.
//
//  1. A name is a plain path (`/data/winds.nc`, `winds.nc`) or `scheme:path` (`builtin:gfs_uv.nc`). A [Set] maps schemes to file systems; it is a value that
//     the program passes in, nothing registers itself. The nil Set knows local files only.
//  2. [Set.Open] gives a [File]: bytes at offsets, a size, and an [ID] taken when it was opened.
//  3. [File.Check] compares that ID with what stands under the name now, so that whoever keeps blocks of a file notices that it changed.
//  4. [File.BytesRead] counts what really came from storage.
//
// What the bytes mean is the business of package format. The package starts no goroutine; a File may be read by several at once.
package store
