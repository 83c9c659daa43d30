# A directory with a Go main package is built; so is a changed one.
mkdir -p src/prog src/broken src/lib
cd src
echo 'module example' >go.mod
printf 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("version one") }\n' >prog/main.go
printf 'package main\n\nfunc main() { nonsense }\n' >broken/main.go
printf 'package lib\n' >lib/lib.go
ok gridrun -np 3 ./prog
count 3 out '^version one$'
sed -i 's/one/two/' prog/main.go
ok gridrun -np 1 ./prog
has out '^version two$'
run gridrun -np 1 ./broken
code 125
has err 'undefined: nonsense'
run gridrun -np 1 ./lib
code 126
has err 'no main package'

# Ranks of a built-in job are this binary.
ok gridrun -np 5 __hello
ok gridrun -np 5 --ranks-per-process 2 __hello
ok gridrun -np 3 --transport tcp __hello

# A rank program of ours, and one that knows nothing of gridrun, side by side.
ok gridrun -np 3 "$EXAMPLES/hello"
has out '^hello from rank 2 of 3 on '

# A build can be interrupted.
mkdir -p bin slow
cp prog/main.go slow
printf '#!/bin/sh\necho building >>building\nexec sleep 100\n' >bin/go
chmod +x bin/go
PATH="$PWD/bin:$PATH" gridrun -np 1 ./slow >out 2>err & job=$!
await slow/building
kill -TERM $job
ended $job
code 143

# The measurements explain themselves.
ok gridrun bench launch --help
has out '--rounds'

# Messages and collectives are measured, alone here.
ok gridrun bench p2p --alone --rounds 1 --sizes 0,8 --budget 0.001
count 1 out '^latency, us$'
count 1 out '^rate, million messages/s$'
for over in shm tcp mem; do
  ok gridrun bench collectives -np 3 --alone --rounds 1 --over $over --sizes 8 --budget 0.001 --json
  count 13 out '^      "test": '
done
# As many arguments as a command line holds reach programs and built-in jobs.
long=$(head -c 100000 /dev/zero | tr '\0' x)
ok gridrun -np 2 sh -c 'echo $# ${#6}' - "$long" "$long" "$long" "$long" "$long" last
count 2 out '^6 4$'
run gridrun -np 2 windshear --nosuchflag "$long" "$long" "$long"
has err 'windshear: unknown flag --nosuchflag'
