// Package gather puts together what the hosts of a job say one by one: where each
// can be reached ([Directory]), what they want the user to know ([Notices]), and
// which CPUs their ranks have got ([Bindings]). Everything here belongs to the
// launcher's event loop; nothing waits and no goroutine is started.
package gather
