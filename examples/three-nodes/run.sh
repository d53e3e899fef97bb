#!/usr/bin/env bash
# Starts the three nodes of cluster.yaml on this machine, waits until each is ready, says what to try, and stops them on
# Ctrl-C. Data and logs are in ./kv-data. `KV=path/to/kv run.sh` runs another executable.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
kv=${KV:-.build/release/kv}
config=examples/three-nodes/cluster.yaml
nodes=(n1 n2 n3)
declare -A port=([n1]=7401 [n2]=7402 [n3]=7403)
declare -A pid=()
ready_within=60 # seconds

fail() {
    printf 'kv: %s\n' "$@" >&2
    exit 1
}

stop() {
    trap - EXIT INT TERM HUP
    if [ ${#pid[@]} -gt 0 ]; then
        echo "Stopping ${!pid[*]}."
        kill -TERM "${pid[@]}" 2>/dev/null
        wait
    fi
    exit "${1:-0}"
}
trap 'stop $?' EXIT
trap 'echo; stop 0' INT TERM HUP

# Whether something listens on the port, and whether the node there answers that it is ready.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
ready() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        read -r -t 2 _ status _ <&3 && [ "$status" = 200 ]
    ) 2>/dev/null
}

[ -x "$kv" ] || fail "there is no executable $kv; build it with: make build"
for node in "${nodes[@]}"; do
    if listens "${port[$node]}"; then
        fail "port ${port[$node]}, which is to be $node's, is taken: another cluster may be running here. Stop it first."
    fi
done

mkdir -p kv-data || fail "cannot make the directory kv-data here; see the reason above."
for node in "${nodes[@]}"; do
    "$kv" serve --config "$config" --node "$node" >"kv-data/$node.log" 2>&1 </dev/null &
    pid[$node]=$!
done

SECONDS=0
for node in "${nodes[@]}"; do
    until ready "${port[$node]}"; do
        if ! kill -0 "${pid[$node]}" 2>/dev/null; then
            tail -n 5 "kv-data/$node.log" >&2
            fail "$node ended; its last words are above, all of them in kv-data/$node.log."
        fi
        if [ "$SECONDS" -ge "$ready_within" ]; then
            tail -n 5 "kv-data/$node.log" >&2
            fail "$node is not ready after $ready_within s; its last words are above, all of them in kv-data/$node.log."
        fi
        sleep 0.1
    done
done

cat <<END
Three nodes are ready: n1 127.0.0.1:7401 (process ${pid[n1]}), n2 :7402 (${pid[n2]}), n3 :7403 (${pid[n3]}).
Their logs are kv-data/n1.log to n3.log. In another terminal, in $PWD:

  export PATH="$(cd "$(dirname "$kv")" && pwd):\$PATH" KV_ENDPOINT=127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403
  kv put greeting hello
  kv get greeting
  kv ring greeting
  curl -i http://127.0.0.1:7402/v1/kv/greeting
  curl -i -X PUT --data-binary hi -H 'If-None-Match: *' http://127.0.0.1:7403/v1/kv/greeting

Kill a node: nothing is lost, the other two go on. Then start it again:

  kill -9 ${pid[n1]}
  kv get greeting
  kv serve --config $config --node n1

Ctrl-C here stops what this started.
END

# A node that ends, killed perhaps, does not end the others.
while [ ${#pid[@]} -gt 0 ]; do
    ended=
    { wait -n -p ended "${pid[@]}"; } 2>/dev/null # where bash itself says "Killed"
    status=$?
    for node in "${!pid[@]}"; do
        [ "${pid[$node]}" = "$ended" ] || continue
        echo "$node ended (exit status $status); its log is kv-data/$node.log."
        unset "pid[$node]"
    done
done
echo "All nodes have ended."
