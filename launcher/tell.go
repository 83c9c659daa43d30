package launcher

import (
	"slices"

	"gridrun/launcher/place"
)

// Tell shows the user a line that a Starter has to say, while the job runs.
func (j *Job) Tell(text string) {
	if r := j.running.Load(); r != nil {
		r.say(text)
	}
}

// TellVerbose does so if the user wants to know what happens on the way.
func (j *Job) TellVerbose(text string) {
	if r := j.running.Load(); r != nil {
		r.verbose("%s", text)
	}
}

// Shipped draws how much of what a host lacks has been brought there, in bytes.
// host is its String.
func (j *Job) Shipped(host string, done, total int64) {
	r := j.running.Load()
	if r == nil {
		return
	}
	h := slices.IndexFunc(j.plan.Hosts, func(at place.Host) bool { return at.String() == host || at.Name == host })
	// Ranks count from 0; hosts draw below them.
	if r.screen.Progress(-1-h, done, total, "shipping to hosts") {
		r.stderr.Put(nil, nil)
	}
}
