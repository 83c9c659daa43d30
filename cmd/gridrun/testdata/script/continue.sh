# --on-failure continue: the others go on; the dead are listed; codes of those that end by themselves count.
ok gridrun --on-failure continue -np 4 sh -c '[ $GRIDRUN_RANK != 2 ] || kill -9 $$; until grep -q "go on" err; do sleep 0.02; done; echo survived'
count 3 out survived
has err 'rank 2 (host .*) was killed by signal 9 (SIGKILL); 3 ranks go on'
has err '1 of 4 ranks did not end well: rank 2 (host .*, pid [0-9]*) was killed by signal 9'
run gridrun --on-failure=continue -np 4 sh -c 'exit $GRIDRUN_RANK'
code 3
has err '3 of 4 ranks did not end well: .*rank 2 exited with code 2'
run gridrun --on-failure continue -np 2 sh -c 'kill -9 $$'
code 137
run gridrun --on-failure continue -np 2 nosuchprogram
code 127
run gridrun --on-failure perhaps -np 2 true
code 125
has err 'it is stop or continue'
run gridrun --on-failure stop -np 2 sh -c '[ $GRIDRUN_RANK = 0 ] || exit 5; sleep 60'
code 5
