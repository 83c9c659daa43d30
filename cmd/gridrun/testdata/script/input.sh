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
