// Package environ makes the environment of a host's processes: the agent's own
// without what another launcher has left there (PMI_RANK would make a rank
// believe that it is that launcher's), what the user adds, the names that other
// launchers use where --env-style asks for them, and GRIDRUN_*, which tells a
// process which rank it is and where its agent listens.
package environ
