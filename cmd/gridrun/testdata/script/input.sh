# Rank 0 gets the input, all of it; the others get none.
printf 'one\ntwo\n' >lines
ok gridrun -np 3 --tag-output cat <lines
printf '[0] one\n[0] two\n' | same - out

head -c 3000000 /dev/urandom >bytes
cat bytes | gridrun -np 1 cat >out 2>err
same bytes out

# A rank that does not read its input holds up nothing.
yes | gridrun -np 2 true

# What no rank reads stays where it is, in a pipe and in a file.
seq 4 >lines
cat lines | while read x; do gridrun -np 2 true </dev/stdin; echo $x >>seen; done
while read x; do gridrun -np 1 sleep 0.1; echo $x >>seen; done <lines
cat lines lines | same - seen

# Another rank, all, or none. A rank that is slow, or never reads, holds up nobody.
ok gridrun -np 3 --stdin 2 --tag-output cat <lines
printf '[2] 1\n[2] 2\n[2] 3\n[2] 4\n' | same - out
ok gridrun -np 5 --stdin all sh -c 'case $GRIDRUN_RANK in 1) exit;; 2) sleep 0.3;; 3) exec sleep 0.4;; esac; cat >got.$GRIDRUN_RANK' <bytes
for r in 0 2 4; do same bytes got.$r; done
ok gridrun -np 93 --stdin all --fold-output cat <lines
for r in $(seq 0 92); do echo $r 1; echo $r 2; echo $r 3; echo $r 4; done >want
unfold <out | sort -s -n -k 1,1 | same - want
ok gridrun -np 2 --stdin none cat <lines
[ ! -s out ] || fail "output"
run gridrun -np 2 --stdin 2 cat <lines
code 125
has err '^gridrun: --stdin 2: the job has ranks 0 to 1 only$'
run gridrun -np 2 --stdin many cat <lines
code 125
has err '^gridrun: --stdin many: it is a rank, all or none$'

# No input at all.
ok gridrun -np 1 cat <&-
[ ! -s out ] || fail "output"

# Inputs are where {stage} says, for as long as the job runs.
echo staged >given
run gridrun -np 2 --stage given sh -c 'cat {stage}/given; echo $GRIDRUN_STAGE'
code 0
has out '^staged$'
has out 'gridrun-stage-'
ok gridrun -np 1 --stage given gridrun -np 1 sh -c 'echo inner ${GRIDRUN_STAGE:+has one}'
has out '^inner has one$'
echo odd >'one, $(two)'
ok gridrun -np 1 --stage given --stage 'one, $(two)' sh -c 'cd {stage}; cat one*; ls | wc -l'
has out '^odd$'
has out '^ *2$'
run gridrun -np 2 --stage nowhere true
code 125
has err '--stage: .*nowhere'
