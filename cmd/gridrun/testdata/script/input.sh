# Rank 0 gets the input, all of it; the others get none.
printf 'one\ntwo\n' >lines
ok gridrun -np 3 --tag-output cat <lines
printf '[0] one\n[0] two\n' | same - out

head -c 3000000 /dev/urandom >bytes
cat bytes | gridrun -np 1 cat >out 2>err
same bytes out

# A rank that does not read its input holds up nothing.
yes | gridrun -np 2 true

# No input at all.
ok gridrun -np 1 cat <&-
[ ! -s out ] || fail "output"

# Inputs are where {stage} says, for as long as the job runs.
echo staged >given
run gridrun -np 2 --stage given sh -c 'cat {stage}/given; echo $GRIDRUN_STAGE'
code 0
has out '^staged$'
has out 'gridrun-stage-'
run gridrun -np 2 --stage nowhere true
code 125
has err '--stage: .*nowhere'
