// Package output carries what processes print to the launcher's own standard
// output and error.
//
//  1. [Lines] cuts the pieces that agents send into whole lines, one assembler
//     for each process and stream, tagged with the ranks when asked to.
//  2. [Writer] writes them in order from one goroutine, and says when a piece
//     is out: only then may its agent send more. A blocked output therefore
//     blocks the ranks that print, and nothing else.
//  3. [Screen] draws the progress bar on a terminal and wipes it before lines.
//
// Writer's goroutine is the only one; Close joins it.
package output
