// Package output carries what processes print to the launcher's own standard
// output and error.
//
//  1. [Lines] cuts the pieces that agents send into whole lines, one assembler
//     for each process and stream, with ranks and time before them when asked to.
//  2. [Writer] writes them in order from one goroutine, and says when a piece
//     is out: only then may its agent send more. A blocked output therefore
//     blocks the ranks that print, and nothing else.
//  3. [Folder] stands between them when identical lines are to be shown once;
//     [Fold] is the decision which lines those are.
//  4. [Files] writes a file for each process and stream instead, or as well.
//  5. [Patient] is an output that waits, whoever has made it non-blocking.
//  6. [Screen] draws the progress bar on a terminal and wipes it before lines.
//
// Writer and Files have a goroutine each, which Close ends and Done joins; a
// Folder has a timer while lines wait, which Close joins.
package output
