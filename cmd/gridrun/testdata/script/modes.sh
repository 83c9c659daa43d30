# Lines that all print are shown once, with who printed them, and in order.
ok gridrun -np 93 --fold-output sh -c 'echo first; [ $GRIDRUN_RANK = 3 ] && exec sh -c "echo three"; echo last; printf half'
for r in $(seq 0 92); do
  echo $r first
  if [ $r = 3 ]; then echo 3 three; else echo $r last; echo $r half; fi
done >want
unfold <out | sort -s -n -k 1,1 | same - want
[ "$(wc -l <out)" -lt 140 ] || fail "hardly folded"

# A line of one rank alone is shown while the job runs.
gridrun -np 3 --fold-output sh -c 'if [ $GRIDRUN_RANK = 1 ]; then echo waiting; fi; until [ -e go ]; do sleep 0.02; done; echo on' >running 2>err & job=$!
await running
has running '^\[1\] waiting$'
echo >go
ended $job
code 0
[ "$(unfold <running | grep -c ' on$')" = 3 ] || fail "the end is missing"

# Errors are folded by themselves; with tags they are marked.
ok gridrun -np 2 --fold-output --tag-output sh -c 'echo out; echo oops >&2'
unfold <out | sort -n | tr '\n' ' ' | grep -qx '0 out 1 out ' || fail "folded"
has err '^\[[-01]*\]<stderr> oops$'

# Files, a rank each; processes of several ranks have one.
ok gridrun -np 11 --output-dir a/b sh -c 'printf "$GRIDRUN_RANK"; echo err >&2'
[ ! -s out ] || fail "shown"
[ "$(ls a/b | wc -l)" = 22 ] || fail "files"
printf 7 | same - a/b/rank.07.out
printf 10 | same - a/b/rank.10.out
has a/b/rank.10.err '^err$'
ok gridrun -np 11 --ranks-per-process 4 --output-dir c __hello
[ -e c/rank.00-03.out ] && [ -e c/rank.08-10.err ] || fail "$(ls c)"
ok gridrun -np 2 --tee --tag-output --output-dir a/b sh -c 'echo both'
has out '^\[1\] both$'
has a/b/rank.1.out '^\[1\] both$'
ok gridrun -np 2 --output-dir never --dry-run true
[ ! -e never ] || fail "made for nothing"

# What cannot be.
run gridrun -np 2 --output-dir /proc/nothing true
code 125
has err 'gridrun: --output-dir: mkdir /proc/nothing: '
echo x >file
run gridrun -np 2 --output-dir file true
code 125
has err 'gridrun: --output-dir: mkdir file: not a directory'
mkdir full; ln -s /dev/full full/rank.1.out
run gridrun -np 2 --output-dir full sh -c 'echo x; sleep 100'
code 125
has err 'gridrun: cannot write: write full/rank.1.out: no space left on device; 2 ranks stopped'
run gridrun -np 2 --tee true
code 125
has err '^gridrun: --tee shows what --output-dir keeps'
run gridrun -np 2 --fold-output --output-dir a true
code 125
has err '^gridrun: --fold-output folds what is shown'
