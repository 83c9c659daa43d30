# The first failure ends the others, and one line says whose it was.
run gridrun -np 4 sh -c 'if [ $GRIDRUN_RANK = 2 ]; then exit 7; fi; sleep 100'
code 7
has err 'gridrun: rank 2 (host .*, pid [0-9]*) exited with code 7; 3 other ranks stopped$'
run gridrun -np 4 sh -c 'if [ $GRIDRUN_RANK = 3 ]; then kill -SEGV $$; fi; sleep 100'
code 139
has err 'rank 3 .* was killed by signal 11 (SIGSEGV); 3 other ranks stopped$'

# Time is over.
for t in 0.3 2 8 30; do # a busy machine may not be there in time
  run gridrun -np 2 --timeout $t sleep 100
  code 124
  if grep -q 'ranks 0-1 sleep in' err; then break; fi
done
has err 'no rank waits for another: ranks 0-1 sleep in clock_nanosleep'
has err 'ranks 0-1  sleep in clock_nanosleep'
has err 'gridrun: not finished after .*s (--timeout); 2 ranks stopped$'

# A grandchild that keeps the output open holds up nobody, and does not stay.
ok timeout 20 gridrun -np 1 sh -c 'sleep 1000 & echo started'
has out started

# Whom the shell had started that became gridrun is not of the job, however that ends.
for job in true 'sleep 0.1; kill -9 $$'; do
  run sh -c 'sleep 100 >/dev/null 2>&1 & echo $! >before; exec gridrun -np 2 sh -c "$1"' - "$job"
  kill "$(cat before)" || fail "what was there before the job is gone"
done
