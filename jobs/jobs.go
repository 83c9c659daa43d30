package jobs

import (
	"gridrun/jobs/windshear"
	"gridrun/lram/store"
	"gridrun/rt"
)

// A Job is a rank program by name.
type Job struct {
	Name    string
	Summary string // one line, for lists
	Body    rt.Body
}

// All lists the jobs by name.
func All() []Job {
	return []Job{
		{"windshear", "vertical wind shear over the globe and the Atlantic, from winds in files", windshear.Run},
	}
}

// Find returns the job of a name.
func Find(name string) (Job, bool) {
	for _, j := range All() {
		if j.Name == name {
			return j, true
		}
	}
	return Job{}, false
}

// Stores are the places of the files that jobs bring along, for package lram and the host service: builtin:FILE.
func Stores() store.Set {
	return store.Set{"builtin": windshear.Data()}
}
