// Package jobs is the table of the jobs that come with gridrun: rank bodies by name, and the files that they bring along.
//
//	gridrun -np 93 windshear
//
// finds its job with [Find]; `gridrun jobs` lists [All]. A new job is a package with a body and one row in [All]. Nothing registers itself, and a job costs a
// process nothing until its body runs: the embedded files of [Stores] stay in the executable until someone reads them.
package jobs
