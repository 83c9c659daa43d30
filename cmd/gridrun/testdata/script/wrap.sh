# A wrapper starts the program of chosen ranks; ranks find each other through it.
cat >wrapper <<'END'
#!/bin/sh
echo "$1" >seen.$1
shift
"$@"
exit $?
END
chmod +x wrapper
ok gridrun -np 5 --wrap './wrapper {rank}' --wrap-ranks 0,2-3 __hello
[ "$(cat seen.* | tr '\n' ' ')" = "0 2 3 " ] || fail "seen"
ok gridrun -np 2 --wrap 'nice -n 3' sh -c 'echo $GRIDRUN_RANK'
count 2 out '^[01]$'
ok gridrun -np 1 --wrap "sh -c 'echo \"\$0 and \$*\"' {host}-{job}" echo 'a b'
has out '^.*-[0-9a-f]* and /.*echo a b$'

# Its end is the rank's.
run gridrun -np 2 --wrap './wrapper 9' sh -c 'exit 4'
code 4

# Nothing stays of a wrapper that forks.
run gridrun -np 2 --grace 0.2 --timeout 0.3 --wrap './wrapper 9' sh -c 'trap "" TERM; while :; do sleep 1; done'
code 124

run gridrun -np 3 --wrap nosuch true
code 127
has err '^gridrun: .*--wrap: host .* has no program nosuch in \$PATH'
run gridrun -np 3 --wrap ./nosuch true
code 127
has err 'has no .*/nosuch'
run gridrun -np 3 --wrap 'a "b' true
code 125
has err '^gridrun: --wrap: .* ends within quotes'
run gridrun -np 3 --wrap-ranks 1 true
code 125
has err '^gridrun: --wrap-ranks says which ranks --wrap is for'
run gridrun -np 3 --wrap nice --wrap-ranks 3 true
code 125
has err '^gridrun: --wrap-ranks: no rank 3, the job has ranks 0 to 2$'

# Names that other launchers' programs look for.
export OMPI_COMM_WORLD_RANK=99 PMI_FD=7
ok gridrun -np 2 --env-style torchrun,slurm --env-style pmi sh -c 'echo $RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $SLURM_PROCID $PMI_RANK $PMI_SIZE $OMPI_COMM_WORLD_RANK $PMI_FD.'
has out '^0 0 2 127.0.0.1 0 0 2 .$'
has out '^1 1 2 127.0.0.1 1 1 2 .$'
run gridrun -np 2 --env-style mpi true
code 125
has err '^gridrun: --env-style mpi: there are openmpi, pmi, slurm, torchrun$'
