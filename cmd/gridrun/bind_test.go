package main

import "testing"

// Ranks of several programs, on as few CPUs as taskset leaves: bound where there
// is a core for each, else free, and told so once.
func TestBindTo(t *testing.T) {
	shell(t, `
		taskset -c $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//') gridrun -np 1 --bind-to core --report-bindings sh -c 'echo $GRIDRUN_CPUS $GOMAXPROCS' >out 2>err
		grep -qx '1 2' out
		grep -q ' rank 0  CPU [0-9]*$' err
		taskset -c $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//') gridrun -np 2 --bind-to core --report-bindings true : -np 1 true 2>err
		grep -q 'bind-to core: 3 ranks on 1 cores, so none is bound' err
		grep -q ' ranks 0-2  CPU [0-9]*, not bound$' err
		gridrun --dry-run --bind-to core -np 1 true >plan
		grep -q '^# .*: rank 0: CPU' plan
		printf 'rank 0=localhost slot=8000\n' >file
		gridrun --rankfile file --dry-run true >plan
		grep -qx 'localhost: rank 0, CPUs 8000: true' plan
		code=0; gridrun --rankfile plan true 2>err || code=$?
		[ $code = 125 ]
		grep -q 'rank 0: CPU 8000 cannot be used: this host allows CPU' err
		code=0; gridrun -np 1 --bind-to numa true 2>err || code=$?
		[ $code = 125 ]
		grep -q 'it is none, core or socket' err
	`)
}
