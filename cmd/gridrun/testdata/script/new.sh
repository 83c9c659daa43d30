# A new program is built without a network, and run.
export GOPROXY=off
ok gridrun new heat
has out 'gridrun -np 4 ./heat$'
ok gridrun -np 3 ./heat
has out '^3 ranks say that pi is 3.1415926536$'
run gridrun new heat
code 125
has err 'heat is not empty'
run gridrun new
code 125
has err 'new needs DIR'

# One that was built against another gridrun is told so, and how to help it.
sed -i 's/^const Version = .*/const Version = 999/' heat/gridrun/internal/wire/control.go
run gridrun -np 2 ./heat
[ $code != 0 ] || fail "it ran"
has err 'built against another version of gridrun (protocol 999, the running gridrun has '
count 1 err 'protocol 999'
ok gridrun new --update heat
ok gridrun -np 2 ./heat
