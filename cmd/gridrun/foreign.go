package main

// foreign are flags of mpirun, mpiexec and srun that are none of gridrun's, and
// what says the same here; docs/coming-from-mpirun.md has the whole table.
var foreign = map[string]string{
	"ntasks": "-np N", "c": "-np N", "V": "`gridrun version`", "quiet": "no word for it: leave it out", "q": "no word for it: leave it out",
	"rf": "--rankfile FILE", "s": "--stdin RANK", "launcher": "--launcher-command CMD", "rsh": "--launcher-command CMD", "print-rank-map": "--dry-run",
	"bind-to-core": "--bind-to core", "bind-to-socket": "--bind-to socket", "bind-to-none": "--bind-to none", "cpus-per-task": "--bind-to core: each rank gets its part",
	"cpus-per-proc": "--bind-to core: each rank gets its part", "cpus-per-rank": "--bind-to core: each rank gets its part", "report-pid": "--verbose",
	"prefix": "no word for it: nothing has to be installed on hosts", "use-hwthread-cpus": "no word for it: each CPU that the kernel counts is one",
	"configfile": "`prog args : -np N prog args`", "debug": "--wrap CMD", "tv": "--wrap CMD", "genvnone": "no word for it: other hosts get -x VAR only",
	"envnone": "no word for it: other hosts get -x VAR only",
	"N":       "--map-by ppr:K for K ranks on each host", "ppn": "--map-by ppr:N", "perhost": "--map-by ppr:N",
	"npernode": "--map-by ppr:N", "ntasks-per-node": "--map-by ppr:N", "bynode": "--map-by node", "byslot": "--map-by slot",
	"nolocal": "--hostfile FILE without this machine", "nooversubscribe": "no word for it: slots that are written bind by themselves",
	"f": "--hostfile FILE", "w": "--host A,B", "nodelist": "--host A,B",
	"mca": "no such parameters; -x VAR=VALUE sets a variable", "env": "-x VAR=VALUE", "genv": "-x VAR=VALUE", "genvlist": "-x VAR, repeated",
	"envlist": "-x VAR, repeated", "envall": "no word for it: ranks on this machine have your environment, others get -x VAR",
	"genvall":           "no word for it: ranks on this machine have your environment, others get -x VAR",
	"allow-run-as-root": "no word for it: leave it out", "D": "--wdir DIR", "l": "--tag-output", "prepend-rank": "--tag-output",
	"outfile-pattern": "--output-dir DIR", "o": "--output-dir DIR", "output": "--tag-output, or --output-dir DIR", "t": "--timeout S", "time": "--timeout S",
	"launcher-exec": "--launcher-command CMD", "iface": "--net CIDR", "preload-files": "--stage FILE",
	"preload-binary": "no word for it: programs are brought to hosts that lack them", "bcast": "--stage FILE",
	"display-map": "--dry-run", "display": "--dry-run", "test-only": "--dry-run", "get-stack-traces": "gridrun stacks",
	"enable-recovery": "--on-failure continue", "disable-auto-cleanup": "--on-failure continue", "max-restarts": "--restarts N",
	"multi-prog": "`prog args : -np N prog args`", "cpu-bind": "--bind-to core", "input": "--stdin RANK",
}
