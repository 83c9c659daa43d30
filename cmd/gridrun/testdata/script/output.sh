# Standard output and error of ranks stay apart, in whole lines.
ok gridrun -np 2 sh -c 'echo out $GRIDRUN_RANK $GRIDRUN_SIZE; echo err $GRIDRUN_RANK >&2'
has out '^out 0 2$'
has out '^out 1 2$'
has err '^err 0$'
has err '^err 1$'
hasnt out err

# Tags name the rank, and complete the last line.
ok gridrun -np 2 -x WHO=me --tag-output sh -c 'echo $WHO; printf half; echo err >&2'
count 1 out '^\[0\] me$'
count 1 out '^\[1\] half$'
count 1 err '^\[1\]<stderr> err$'

# Without tags no byte is added: a last line without its newline stays so.
ok gridrun -np 1 printf half
printf half | same - out
ok gridrun -np 2 sh -c '[ $GRIDRUN_RANK = 0 ] || printf half'
printf half | same - out
head -c 3000000 /dev/urandom >bytes
ok gridrun -np 1 cat bytes
same bytes out
ok gridrun -np 3 sh -c '[ $GRIDRUN_RANK = 0 ] || cat bytes'
[ "$(wc -c <out)" = 6000000 ] || fail "size"

# A reader that has had enough ends the job as it ends other tools, quietly.
{ gridrun -np 2 yes 2>err || echo $? >code; } | head -n 1 >out
has out '^y$'
has code '^141$'
hasnt err stopped

run sh -c 'gridrun -np 1 echo x >/dev/full'
code 125
has err 'gridrun: cannot write standard output: .*no space left on device'
