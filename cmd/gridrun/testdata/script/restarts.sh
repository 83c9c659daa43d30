# --restarts: a job that fails is started again, and told how often that was.
ok gridrun --restarts 3 -np 3 sh -c 'echo start $GRIDRUN_RESTART; [ $GRIDRUN_RESTART = 2 ] && exit 0; [ $GRIDRUN_RANK != 1 ] || kill -9 $$; sleep 60'
count 3 out 'start 2'
has err 'restart 1 of 3: rank 1 (host .*) was killed by signal 9 (SIGKILL)'
has err 'restart 2 of 3: rank 1'
hasnt err 'restart 3'
# When none is left, it is the last one's code.
run gridrun --restarts 2 -np 2 sh -c 'echo x; exit 4'
code 4
count 2 err 'restart . of 2: '
has err '^gridrun: ranks\? [01-]*.* exited with code 4'
# Not after the user's wish, the end of the time, or what no start will mend.
run gridrun --restarts 2 --timeout 0.3 -np 2 sleep 60
code 124
hasnt err restart
run gridrun --restarts 2 -np 2 nosuchprogram
code 127
hasnt err restart
gridrun --restarts 2 --grace 0.1 -np 2 sh -c 'echo up >>up; sleep 60' 2>said & pid=$!
await up
kill -TERM $pid
ended $pid
code 143
! grep restart said
# The whole job has the time that it was given.
run gridrun --restarts 1000 --timeout 1 -np 1 sh -c 'sleep 0.1; exit 1'
code 124
# Outputs of the starts do not overwrite each other.
run gridrun --restarts 1 --output-dir o -np 1 sh -c 'echo $GRIDRUN_RESTART; exit 1'
[ "$(cat o/rank.0.out o/restart.1/rank.0.out | tr -d '\n')" = 01 ] || fail "output"
run gridrun --restarts 1 --trace t.json --stats-file s --profile p.pb.gz -np 1 sh -c 'exit 1'
for f in t.json t.restart.1.json s s.restart.1 p.pb.gz p.pb.restart.1.gz; do [ -f $f ] || fail "no $f"; done
# With --on-failure continue, what the survivors end with decides.
ok gridrun --restarts 1 --on-failure continue -np 2 sh -c '[ $GRIDRUN_RANK = 0 ] || kill -9 $$; sleep 0.1'
hasnt err 'restart'
# Standard input is not repeated: there is none.
ok sh -c 'echo given | gridrun --restarts 1 -np 1 sh -c "cat; exit \$((1 - GRIDRUN_RESTART))"'
has out '^given$'
