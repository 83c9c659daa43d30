# The first signal lets ranks tidy up, within the grace period.
loop='echo ready >>ready; while :; do sleep 0.05; done'
gridrun -np 2 sh -c 'trap "echo tidy; exit 3" INT;'"$loop" >out 2>err & job=$!
await ready
until [ "$(wc -l <ready)" = 2 ]; do sleep 0.02; done
kill -TERM $job
ended $job
code 143
has err 'gridrun: ended by SIGTERM; 2 ranks stopped'
hasnt out tidy
rm ready

gridrun -np 2 --grace 60 sh -c 'trap "echo tidy; exit 3" TERM;'"$loop" >out 2>err & job=$!
await ready
until [ "$(wc -l <ready)" = 2 ]; do sleep 0.02; done
kill -TERM $job
ended $job
code 143
count 2 out '^tidy$'
rm ready

# Who does not end is killed.
gridrun -np 1 --grace 0.1 sh -c 'trap "" TERM;'"$loop" >out 2>err & job=$!
await ready
kill -TERM $job
ended $job
code 143
has err 'ended by SIGTERM; 1 rank stopped'
rm ready

# A second signal does not wait for the grace period.
gridrun -np 1 --grace 1000 sh -c 'trap "echo once >once" TERM;'"$loop" >out 2>err & job=$!
await ready
kill -TERM $job
await once
kill -TERM $job
ended $job
code 143
rm ready

# Others are passed on.
gridrun -np 1 sh -c 'trap "echo got it; exit 0" USR1;'"$loop" >out 2>err & job=$!
await ready
kill -USR1 $job
ended $job
code 0
has out '^got it$'
rm ready

# A suspended rank takes part in the end as well.
gridrun -np 1 sh -c 'echo ready >ready; kill -STOP $$' >out 2>err & job=$!
await ready
kill -TERM $job
ended $job
code 143

