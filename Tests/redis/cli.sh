#!/usr/bin/env bash
# redis-cli and redis-benchmark, unmodified, and what they are to print.
#
#   cli.sh [--real | --routed] HOST:PORT...
#
# The first node is talked to; with several, also as a cluster. The database is to be empty, and is empty afterwards.
# --real: it is Redis itself in cluster mode, whose MSET is for one slot. --routed: a key is served where it lives only.
set -euo pipefail

kind=
case ${1-} in --real | --routed) kind=${1#--}; shift ;; esac
[ $# -gt 0 ] || { echo "usage: cli.sh [--real | --routed] HOST:PORT..." >&2; exit 64; }
for tool in redis-cli redis-benchmark; do
    command -v "$tool" >/dev/null || { echo "there is no $tool here. Debian: apt-get install redis-tools"; exit 77; }
done
address=$1 host=${1%:*} port=${1##*:} nodes=("$@")
failures=0

fail() {
    printf 'FAILED: %.1000s\n' "$@"
    failures=$((failures + 1))
}

cli() { timeout 30 redis-cli -h "$host" -p "$port" "$@"; }

# expect OUTPUT COMMAND...: the command ends well and prints just this, ANSI colours and trailing ends of line aside.
expect() {
    local want=$1 got
    shift
    got=$("$@" 2>&1 | sed -e 's/\x1b\[[0-9;]*m//g' -e 's/\r$//') || fail "$*: exit $?: $got" || true
    [ "$got" = "$want" ] || fail "$*" "  prints   $(printf %q "$got")" "  expected $(printf %q "$want")"
}

# contains TEXT COMMAND...: the command ends well, and this is among what it prints.
contains() {
    local want=$1 got
    shift
    got=$("$@" 2>&1) || fail "$*: exit $?: $got"
    case $got in *"$want"*) ;; *) fail "$*" "  prints   $(printf %q "$got")" "  without  $(printf %q "$want")" ;; esac
}

plain() {
    expect PONG cli ping
    expect OK cli set '{tour}name' 'two words'
    expect 'two words' cli get '{tour}name'
    expect '"two words"' cli --no-raw get '{tour}name'
    expect '(nil)' cli --no-raw get '{tour}none'
    expect '(integer) 1' cli --no-raw exists '{tour}name'
    expect '' cli get '{tour}none'
    expect 'value' bash -c "printf value | redis-cli -h $host -p $port -x set '{tour}x' >/dev/null
        redis-cli -h $host -p $port get '{tour}x'"
    expect $'1\n2\n3' cli -r 3 incr '{tour}n'
    expect $'OK\n11\n1' bash -c "printf 'SET \"{tour}n\" 10\nINCR {tour}n\nDEL {tour}n\n' | redis-cli -h $host -p $port"
    expect '"\x00\xff\r\n"' bash -c "printf '\\000\\377\\r\\n' | redis-cli -h $host -p $port -x set '{tour}x' >/dev/null
        redis-cli -h $host -p $port --no-raw get '{tour}x'"
    expect $'1) "two words"\n2) (nil)' cli --no-raw mget '{tour}name' '{tour}none'
    expect '["two words",null]' cli -3 --json mget '{tour}name' '{tour}none'
    contains '"proto":3,' cli -3 --json hello 3
    expect "ERR unknown command 'nosuch', with args beginning with: 'a' " cli nosuch a
    expect "(error) ERR wrong number of arguments for 'get' command" cli --no-raw get
    expect 'PONG' timeout 30 redis-cli -u "redis://$host:$port/0" ping
    expect $'{tour}name\n{tour}x' bash -c "redis-cli -h $host -p $port --scan --pattern '{tour}*' | sort"
    contains 'Sampled 2 keys' cli --bigkeys
    contains 'redis_version' cli info server
    contains 'summary' cli command docs get
    expect 2 cli dbsize
    expect 2 cli del '{tour}name' '{tour}x'
    contains 'cluster_state:ok' cli cluster info
}

# At a terminal it asks for the documentation of all commands, and completes and explains by it.
interactive() {
    command -v script >/dev/null || return 0
    local got
    got=$(printf 'help setex\nset {tour}i 1\nincr {tour}i\ndel {tour}i\nexit\n' |
        TERM=dumb timeout 30 script -qec "redis-cli -h $host -p $port" /dev/null 2>&1) || true
    for want in 'SETEX' 'summary:' 'OK' '(integer) 2' '(integer) 1'; do
        case $got in *"$want"*) ;; *) fail "at a terminal: no '$want' in $(printf %q "$got")" ;; esac
    done
}

pipe() {
    local count=2000
    contains "errors: 0, replies: $count" bash -c "for i in \$(seq $count); do
        printf '*3\r\n\$3\r\nSET\r\n\$%d\r\n{tour}%s\r\n\$1\r\nv\r\n' \$((6 + \${#i})) \$i; done |
        timeout 60 redis-cli -h $host -p $port --pipe"
    expect $count cli dbsize
    expect $count bash -c "redis-cli -h $host -p $port --scan | sort -u | wc -l"
    expect OK cli flushall
}

cluster() {
    for key in a b c d e f; do
        expect OK cli -c set "tour:$key" "$key"
        expect "$key" cli -c get "tour:$key"
        expect 1 cli -c del "tour:$key"
    done
    contains '[OK] 0 keys in' cli --cluster info "$address"
    contains '[OK] All 16384 slots covered.' cli --cluster check "$address"
    contains '[OK] All nodes agree about slots configuration.' cli --cluster check "$address"
    contains "PONG" cli --cluster call "$address" ping
}

# benchmark [OPTION...]: it measures every test it was told, and complains of nothing.
benchmark() {
    local got names='PING_INLINE PING_MBULK SET GET INCR'
    # Its ten keys are of different slots.
    [ "$kind" = real ] || names+=' MSET'
    got=$(timeout 120 redis-benchmark -h "$host" -p "$port" -n 2000 -c 20 -r 1000 -q \
        -t "${names// /,}" "$@" 2>&1 | tr '\r' '\n') || fail "redis-benchmark $*: exit $?: $got"
    for name in $names; do
        grep -q "^ *$name.*requests per second" <<<"$got" || fail "redis-benchmark $*: no $name in: $got"
    done
    ! grep -iE 'error|warn|fail|invalid|moved' <<<"$got" || fail "redis-benchmark $* complains"
    for node in "${nodes[@]}"; do expect OK timeout 30 redis-cli -h "${node%:*}" -p "${node##*:}" flushall; done
}

if [ "$kind" != routed ]; then
    plain
    interactive
    pipe
    benchmark
    benchmark -3 -P 16
fi
if [ ${#nodes[@]} -gt 1 ]; then
    cluster
    benchmark --cluster
    benchmark --cluster -P 16
fi
[ $failures -eq 0 ] || { echo "$failures failed"; exit 1; }
echo "redis-cli $(redis-cli --version | cut -d ' ' -f 2), ${#nodes[@]} node(s): as expected"
