# mpirun's spelling, ours, the environment and the config file; the nearer wins.
ok gridrun -np 2 --dry-run echo a -np 7
has out ': ranks 0-1: echo a -np 7$'
ok gridrun -n3 --dry-run -x A=1 -x B=2 echo
has out 'ranks 0-2: echo$'
ok gridrun run --np=4 --dry-run ps
has out 'ranks 0-3: ps$'
export GRIDRUN_NP=5
ok gridrun --dry-run echo
has out 'ranks 0-4: echo$'
ok gridrun -np 2 --dry-run echo
has out 'ranks 0-1: echo$'
export GRIDRUN_NP=many
run gridrun --dry-run echo
code 125
has err '"many" is not a number'
mkdir -p .config/gridrun
cat >.config/gridrun/config <<END
# what everybody wants here
np = 9
ranks-per-process = 2
tag-output
export = COLOUR=red
export = SIZE=3
END
export GRIDRUN_NP=6
ok gridrun --dry-run echo
has out 'ranks 0-5, 2 a process: echo$'
unset GRIDRUN_NP
ok gridrun --dry-run echo
has out 'ranks 0-8, 2 a process: echo$'
ok gridrun -np 1 sh -c 'echo $COLOUR $SIZE'
has out '^\[0\] red 3$'
ok gridrun -np 1 echo a : -np 1 sh -c 'echo $COLOUR $SIZE'
has out '^\[1\] red 3$'
printf '\ntagoutput = true\n' >.config/gridrun/config
run gridrun -np 1 true
code 125
has err 'config:2: unknown flag tagoutput; did you mean --tag-output?'
rm .config/gridrun/config

# Several programs; after -- a colon is an argument.
ok gridrun -np 2 --dry-run echo a : -np 3 -x A=b echo 'c d'
has out 'ranks 0-1: echo a$'
has out "ranks 2-4: echo 'c d'$"
ok gridrun -np 1 --tag-output echo a : -np 2 -wdir / sh -c 'pwd'
has out '^\[0\] a$'
has out '^\[2\] /$'
ok gridrun -np 1 -x A=1 -x B=2 -x C=3 -x D=4 -x E=5 echo a : -np 1 echo b c
has out '^a$'
has out '^b c$'
ok gridrun -np 1 -- echo : x
has out '^: x$'
run gridrun -np 1 echo a : --timeout 3 -np 2 echo b
code 125
has err 'write it before the first program'

# Hosts.
ok gridrun -H localhost:4 --dry-run echo
has out '^localhost: ranks 0-3: echo$'
ok gridrun -H localhost:1 -H node7:2 --dry-run echo
has out '^localhost: rank 0: echo$'
has out '^node7: ranks 1-2: echo$'
echo 'localhost slots=2  # this machine' >hosts
ok gridrun -hostfile hosts -np 2 --dry-run echo
has out '^localhost: ranks 0-1: echo$'
ok gridrun --map-by ppr:2 -H localhost:4 --dry-run echo
has out 'ranks 0-1: echo$'

# Where ranks start, and with which variables.
mkdir -p 'some where'
ok gridrun -np 1 --wdir 'some where' sh -c 'basename "$(pwd)"'
has out '^some where$'
export GIVEN=value
ok gridrun -np 1 -x GIVEN -x OTHER='a=b c' sh -c 'echo "$GIVEN, $OTHER"'
has out '^value, a=b c$'

ok gridrun jobs
has out '^windshear '
hasnt out hello
ok gridrun version
has out '^gridrun '
ok gridrun --help
has out '--tag-output'
[ ! -s err ] || fail "help on standard error"

# Slots that are written bind; what bites is said in a line.
run gridrun -H localhost:2 -np 3 true
code 125
has err '3 ranks do not fit in the 2 slots of host localhost; use fewer ranks, more slots or --oversubscribe$'
ok gridrun -H localhost:2 -np 3 --oversubscribe true
has err '^gridrun: 3 ranks share 2 slots (--oversubscribe)$'
ok gridrun -np 999 --dry-run true
[ ! -s err ] || fail "a notice before anything runs"

# New flags are variables and lines of the config file as well; switches can be undone.
mkdir -p .config/gridrun
printf 'fold-output\nstdin = none\nwrap = nice -n 1\nenv-style = pmi\n' >.config/gridrun/config
ok gridrun -np 1 sh -c 'cat; echo $PMI_RANK' <hosts
has out '^\[0\] 0$'
ok gridrun -np 1 --no-fold-output sh -c 'echo $PMI_RANK'
has out '^0$'
export GRIDRUN_FOLD_OUTPUT=false GRIDRUN_OUTPUT_DIR=kept
ok gridrun -np 1 echo x
has kept/rank.0.out '^x$'
# A home that is no directory has no settings, and keeps nobody from running.
ok env -u XDG_CONFIG_HOME HOME=/dev/null gridrun -np 1 true
run gridrun up --idle 0 -H node9
code 125
has err '^gridrun: --idle 0: '
