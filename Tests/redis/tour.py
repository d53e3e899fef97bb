#!/usr/bin/env python3
"""Every command by its method of the Python package `redis`, unmodified, with the results that are to come.

    tour.py [--cluster [--shares] [--replicas]] [--real] HOST:PORT[,HOST:PORT...]

--cluster: by RedisCluster, which finds the nodes by itself; otherwise by Redis, through each node that is named.
--shares: a node tells of its own share of all keys on any connection (redis.moved, or redis.keyspace: node).
--replicas: the nodes name replicas (redis.replicas).
Empties the database first. --real: the server is Redis 7.0 itself: leaves out what only kv has, or does not have.
"""

import argparse
import sys
import time

from package import HAS_RESP3, cluster, plain, redis
from resp import parse_address


class Wrong(Exception):
    """A result that was not expected."""


def equal(got, *expected):
    if not any(got == value and isinstance(got, type(value)) for value in expected):
        raise Wrong(f"{got!r} instead of {' or '.join(map(repr, expected))}")


def holds(condition, what):
    if not condition:
        raise Wrong(what)


def between(value, low, high):
    holds(isinstance(value, int) and low <= value <= high, f"{value!r} is not within {low}...{high}")


def refused(text, call, *arguments, error=redis.ResponseError, **options):
    """The call raises an exception of the package's, with this text in it."""
    try:
        result = call(*arguments, **options)
    except error as raised:
        holds(text in str(raised), f"{raised!r} does not say '{text}'")
        return
    raise Wrong(f"{result!r} instead of {error.__name__}: {text}")


# Each part takes a client and leaves no keys behind. Those that are needed at once share a slot, by `{tour}`.


def strings(r):
    equal(r.set("{tour}s", "one"), True)
    equal(r.get("{tour}s"), "one")
    equal(r["{tour}s"], "one")
    equal(r.get("{tour}none"), None)
    equal(r.set("{tour}s", "two", nx=True), None)
    equal(r.set("{tour}none", "two", xx=True), None)
    equal(r.set("{tour}s", "two", xx=True), True)
    equal(r.set("{tour}s", "three", get=True), "two")
    equal(r.setnx("{tour}s", "x"), False)
    equal(r.getset("{tour}s", "four"), "three")
    equal(r.append("{tour}s", "teen"), 8)
    equal(r.strlen("{tour}s"), 8)
    equal(r.getrange("{tour}s", 4, -1), "teen")
    equal(r.setrange("{tour}s", 4, "fold"), 8)
    equal(r.get("{tour}s"), "fourfold")
    equal(r.setrange("{tour}gap", 3, "x"), 4)
    equal(r.get("{tour}gap"), "\0\0\0x")
    equal(r.getdel("{tour}gap"), "\0\0\0x")
    equal(r.getdel("{tour}gap"), None)
    equal(r.mset({"{tour}m1": "1", "{tour}m2": "2"}), True)
    equal(r.mget("{tour}m1", "{tour}none", "{tour}m2"), ["1", None, "2"])
    equal(r.mget(["{tour}m2"]), ["2"])
    equal(r.delete("{tour}m1", "{tour}m2", "{tour}s", "{tour}none"), 3)


def expiring_strings(r):
    equal(r.setex("{tour}e", 100, "v"), True)
    between(r.ttl("{tour}e"), 99, 100)
    equal(r.psetex("{tour}e", 100_000, "v"), True)
    between(r.pttl("{tour}e"), 90_000, 100_000)
    equal(r.set("{tour}e", "w", keepttl=True), True)
    between(r.ttl("{tour}e"), 90, 100)
    equal(r.set("{tour}e", "w"), True)
    equal(r.ttl("{tour}e"), -1)
    for options in (
        {"ex": 200},
        {"px": 200_000},
        {"exat": int(time.time()) + 200},
        {"pxat": int(time.time() * 1000) + 200_000},
    ):
        equal(r.set("{tour}e", "x", **options), True)
        between(r.ttl("{tour}e"), 198, 201)
        equal(r.persist("{tour}e"), True)
        equal(r.getex("{tour}e", **options), "x")
        between(r.ttl("{tour}e"), 198, 201)
    equal(r.getex("{tour}e"), "x")
    between(r.ttl("{tour}e"), 198, 201)
    equal(r.getex("{tour}e", persist=True), "x")
    equal(r.ttl("{tour}e"), -1)
    equal(r.getex("{tour}none", ex=10), None)
    equal(r.set("{tour}e", "short", px=60), True)
    time.sleep(0.1)
    equal(r.get("{tour}e"), None)
    equal(r.ttl("{tour}e"), -2)
    refused("invalid expire time in 'setex' command", r.setex, "{tour}e", 0, "v")


def numbers(r):
    equal(r.incr("{tour}n"), 1)
    equal(r.incr("{tour}n", 41), 42)
    equal(r.incrby("{tour}n", -2), 40)
    equal(r.decr("{tour}n"), 39)
    equal(r.decr("{tour}n", 9), 30)
    equal(r.decrby("{tour}n", 30), 0)
    equal(r.incrbyfloat("{tour}n", 1.5), 1.5)
    refused("value is not an integer or out of range", r.incr, "{tour}n")
    equal(r.incrbyfloat("{tour}n", "5.0e3"), 5001.5)
    refused("value is not a valid float", r.incrbyfloat, "{tour}n", "a")
    equal(r.set("{tour}n", 2**63 - 1), True)
    refused("increment or decrement would overflow", r.incr, "{tour}n")
    equal(r.get("{tour}n"), str(2**63 - 1))
    equal(r.set("{tour}n", "text"), True)
    refused("value is not an integer or out of range", r.incrby, "{tour}n", 2)
    equal(r.delete("{tour}n"), 1)


def keys(r):
    equal(r.mset({"{tour}k1": "1", "{tour}k2": "2"}), True)
    equal(r.exists("{tour}k1", "{tour}k2", "{tour}k1", "{tour}none"), 3)
    equal("{tour}k1" in r, True)
    equal(r.touch("{tour}k1", "{tour}none"), 1)
    equal(r.type("{tour}k1"), "string")
    equal(r.type("{tour}none"), "none")
    equal(r.object("ENCODING", "{tour}k1"), "int")
    equal(r.set("{tour}k1", "text"), True)
    equal(r.object("ENCODING", "{tour}k1"), "embstr")
    equal(r.set("{tour}k1", "text" * 20), True)
    equal(r.object("ENCODING", "{tour}k1"), "raw")
    equal(r.unlink("{tour}k1", "{tour}k2"), 2)
    equal(r.set("{tour}x", "v"), True)
    equal(r.expire("{tour}none", 10), False)
    equal(r.persist("{tour}x"), False)
    equal(r.ttl("{tour}x"), -1)
    equal(r.pttl("{tour}none"), -2)
    now = int(time.time())
    equal(r.expire("{tour}x", 100, nx=True), True)
    equal(r.expire("{tour}x", 100, nx=True), False)
    equal(r.expire("{tour}x", 50, gt=True), False)
    equal(r.pexpire("{tour}x", 200_000, gt=True), True)
    equal(r.expireat("{tour}x", now + 300, lt=True), False)
    equal(r.pexpireat("{tour}x", (now + 300) * 1000, xx=True), True)
    # Of the older package: no methods for these.
    equal(r.execute_command("EXPIRETIME", "{tour}x"), now + 300)
    equal(r.execute_command("PEXPIRETIME", "{tour}x"), (now + 300) * 1000)
    equal(r.expire("{tour}x", -1), True)
    equal(r.exists("{tour}x"), 0)
    refused("NX and XX, GT or LT options at the same time are not compatible", r.expire, "{tour}x", 1, nx=True, xx=True)


def binary(r):
    """Clients that do not decode get the bytes that were put."""
    every = bytes(range(256))
    equal(r.set(b"{tour}" + every, every), True)
    equal(r.get(b"{tour}" + every), every)
    equal(r.delete(b"{tour}" + every), 1)
    equal(r.set("{tour}", b""), True)
    equal(r.get("{tour}"), b"")
    equal(r.delete("{tour}"), 1)
    large = every * 4096
    equal(r.set("{tour}large", large), True)
    equal(r.get("{tour}large"), large)
    refused("string exceeds maximum allowed size", r.append, "{tour}large", "x")
    equal(r.delete("{tour}large"), 1)


def errors(r):
    refused("unknown command", r.execute_command, "NOSUCH", "a", **at_one(r))
    refused("wrong number of arguments for 'get' command", r.execute_command, "GET", "a", "b")
    refused("syntax error", r.execute_command, "SET", "{tour}", "v", "NOSUCH")
    refused("value is not an integer or out of range", r.expire, "{tour}", "soon")
    refused("offset is out of range", r.setrange, "{tour}", -1, "v")


def at_one(r):
    """RedisCluster wants to be told a node where a command has no key."""
    return {"target_nodes": r.get_default_node()} if hasattr(r, "get_default_node") else {}


def pipelines(r):
    with r.pipeline(transaction=False) if not hasattr(r, "get_nodes") else r.pipeline() as pipe:
        for number in range(100):
            pipe.set(f"tour:p{number}", number).incr(f"tour:p{number}").get(f"tour:p{number}")
        results = pipe.execute()
    equal(results, [part for number in range(100) for part in (True, number + 1, str(number + 1))])
    with r.pipeline(transaction=False) if not hasattr(r, "get_nodes") else r.pipeline() as pipe:
        pipe.set("tour:p0", "text").incr("tour:p0").get("tour:p0")
        results = pipe.execute(raise_on_error=False)
    holds(isinstance(results[1], redis.ResponseError), f"{results} has no error in the middle")
    equal([results[0], results[2]], [True, "text"])
    equal(set(r.scan_iter(match="tour:p*", count=7)), {f"tour:p{number}" for number in range(100)})
    for number in range(100):
        equal(r.delete(f"tour:p{number}"), 1)


def keys_of_any_slots(r):
    """What a cluster of Redis refuses, and one Redis does."""
    names = [f"tour:any{number}" for number in range(20)]
    equal(r.mset({name: name for name in names}), True)
    equal(r.mget(names + ["tour:none"]), names + [None])
    equal(r.exists(*names, "tour:none"), 20)
    equal(r.touch(*names), 20)
    equal(r.unlink(*names[:10]), 10)
    equal(r.delete(*names), 10)


def listing(r):
    names = {f"tour:l{number}" for number in range(50)}
    for name in names:
        equal(r.set(name, "v"), True)
    equal(r.dbsize(), 50)
    equal(set(r.scan_iter()), names)
    equal(set(r.scan_iter(match="tour:l4*", count=1000)), {name for name in names if name.startswith("tour:l4")})
    equal(set(r.scan_iter(_type="string", count=3)), names)
    equal(list(r.scan_iter(_type="list")), [])
    equal(sorted(r.keys("tour:l1?")), [f"tour:l{number}" for number in range(10, 20)])
    cursor, part = r.scan(0, count=10)
    holds(isinstance(cursor, int) and names.issuperset(part), f"SCAN answers {cursor}, {part}")
    holds(r.randomkey() in names, "RANDOMKEY names no key")
    equal(r.flushdb(), True)
    equal(r.dbsize(), 0)
    equal(r.randomkey(), None)
    equal(r.set("tour:l", "v"), True)
    equal(r.flushall(asynchronous=True), True)
    equal(r.keys(), [])


def server(r):
    equal(r.ping(), True)
    equal(r.echo("hello"), "hello")
    holds(r.client_id() > 0, "CLIENT ID")
    equal(r.client_setname("tour"), True)
    equal(r.client_getname(), "tour")
    info = r.client_info()
    equal(str(info["name"]), "tour")
    holds("tour" in [client["name"] for client in r.client_list()], "CLIENT LIST does not list this client")
    equal(r.execute_command("CLIENT", "NO-EVICT", "ON"), "OK", True)
    information = r.info()
    holds({"redis_version", "uptime_in_seconds", "connected_clients", "used_memory"} <= information.keys(), "INFO")
    holds("redis_version" in r.info("server") and "used_memory" not in r.info("server"), "INFO server")
    seconds, microseconds = r.time()
    holds(abs(seconds - time.time()) < 5 and 0 <= microseconds < 1_000_000, "TIME")
    holds(r.wait(0, 100) >= 0, "WAIT")
    holds("save" in r.config_get("save"), "CONFIG GET save")
    equal(r.config_get("nosuch*"), {})
    holds(r.command_count() > 50, "COMMAND COUNT")
    equal(r.command()["get"]["arity"], 2)
    equal(r.command_getkeys("MSET", "a", "1", "b", "2"), ["a", "b"])
    holds(r.execute_command("COMMAND INFO", "set"), "COMMAND INFO")
    holds(r.execute_command("COMMAND DOCS", "set"), "COMMAND DOCS")
    equal(r.execute_command("SELECT", "0"), True, "OK")
    refused("called without any password configured", r.execute_command, "AUTH", "x", error=redis.RedisError)
    equal(r.reset() if hasattr(r, "reset") else "RESET", "RESET")
    equal(r.quit(), True)
    # The server has closed it, or is about to.
    r.connection_pool.disconnect()


def only_kv(r):
    """What Redis 7.0 does not have, and what it has and kv refuses by name."""
    equal(r.set("{tour}i", "one"), True)
    equal(r.execute_command("SET", "{tour}i", "two", "IFEQ", "other"), None)
    equal(r.execute_command("SET", "{tour}i", "two", "IFEQ", "one"), True, "OK")
    equal(r.execute_command("SET", "{tour}i", "three", "IFEQ", "x", "GET", get=True), "two")
    equal(r.execute_command("SET", "{tour}none", "two", "IFEQ", ""), None)
    equal(r.get("{tour}i"), "two")
    refused("syntax error", r.execute_command, "SET", "{tour}i", "v", "IFEQ", "two", "NX")
    equal(r.delete("{tour}i"), 1)
    refused("limits.value", r.set, "{tour}", "v" * (2**20 + 1))
    refused("limits.key", r.set, "{tour}" + "k" * 4096, "v")
    one = at_one(r)
    equal(r.execute_command("CLIENT", "SETINFO", "LIB-NAME", "tour", **one), "OK", True)
    equal(r.execute_command("CLIENT", "NO-TOUCH", "ON", **one), "OK", True)
    for command in (("RENAME", "{tour}a", "{tour}b"), ("MSETNX", "{tour}a", "1"), ("MULTI",)):
        refused(f"'{command[0].lower()}' is not supported", r.execute_command, *command, **one)
    # On the same connection: nothing of the transaction is carried out.
    refused("was not carried out", r.execute_command, "SET", "{tour}m", "v", **one)
    refused("Transaction discarded", r.execute_command, "EXEC", **one)
    refused("EXEC without MULTI", r.execute_command, "EXEC", **one)
    equal(r.get("{tour}m"), None)
    if not isinstance(r, redis.RedisCluster):
        pipe = r.pipeline()
        pipe.set("{tour}m", "v")
        refused("", pipe.execute)
        equal(r.get("{tour}m"), None)
    refused("unknown command 'LPUSH'", r.execute_command, "LPUSH", "{tour}l", "v", **one)


def nodes(rc):
    """The cluster's own commands, and what the client makes of them."""
    all_nodes = rc.get_nodes()
    holds(len(all_nodes) >= 1 and rc.get_primaries(), "no nodes")
    equal(rc.keyslot("foo{hash}bar"), 238)
    equal(rc.cluster_keyslot("foo{hash}bar"), 238)
    equal(rc.ping(target_nodes=type(rc).ALL_NODES), True)
    info = rc.cluster_info()
    equal([info["cluster_state"], info["cluster_slots_assigned"], info["cluster_slots_ok"]], ["ok", "16384", "16384"])
    listed = rc.cluster_nodes()
    equal(len(listed), len(all_nodes))
    covered = sum(last - first + 1 for first, last in rc.cluster_slots())
    equal(covered, 16384)
    for node in all_nodes:
        text = rc.execute_command("CLUSTER MYID", target_nodes=node)
        holds(len(text) == 40, f"CLUSTER MYID is {text}")
        holds(rc.execute_command("CLUSTER SHARDS", target_nodes=node), "no CLUSTER SHARDS")
    for number in range(50):
        name = f"tour:node{number}"
        equal(rc.set(name, number), True)
        node = rc.get_node_from_key(name)
        # A node that the client holds responsible serves the key itself.
        equal(rc.get_redis_connection(node).get(name), str(number))
        equal(rc.delete(name), 1)


def across_nodes(rc):
    names = [f"tour:x{number}" for number in range(60)]
    equal(all(rc.mset_nonatomic({name: name for name in names})), True)
    equal(rc.mget_nonatomic(names), names)
    equal(rc.exists(*names), 60)
    equal(rc.touch(*names), 60)
    equal(set(rc.scan_iter(match="tour:x*")), set(names))
    equal(rc.delete(*names), 60)


def shares(rc):
    """What the client adds up over the nodes, each of which tells of its own share."""
    names = {f"tour:s{number}" for number in range(200)}
    for name in names:
        equal(rc.set(name, "v"), True)
    # Older packages ask one node where they are not told otherwise.
    every = {"target_nodes": type(rc).PRIMARIES}
    equal(rc.dbsize(**every), 200)
    equal(sorted(rc.scan_iter(count=7)), sorted(names))
    parts = [rc.keys(target_nodes=node) for node in rc.get_primaries()]
    equal(sorted(name for part in parts for name in part), sorted(names))
    holds(all(parts), "a node has no share")
    # One node's share is flushed, and the rest stays.
    rc.flushall(target_nodes=rc.get_primaries()[0])
    equal(rc.dbsize(**every), 200 - len(parts[0]))
    rc.flushall()
    equal(rc.dbsize(**every), 0)


def shares_by_map(addresses):
    """Connections that have asked for the map tell of the node's share, whatever others are told."""
    names = {f"tour:m{number}" for number in range(200)}
    rc = cluster(addresses, decode_responses=True)
    for name in names:
        equal(rc.set(name, "v"), True)
    for question in ("SLOTS", "SHARDS", "NODES"):
        total, keys, scanned = 0, [], []
        for address in addresses:
            with plain(address, decode_responses=True, single_connection_client=True) as client:
                client.execute_command("CLUSTER " + question)
                total += client.dbsize()
                keys += client.keys("tour:m*")
                scanned += client.scan_iter(count=7)
        equal(total, 200)
        equal(sorted(keys), sorted(names))
        equal(sorted(scanned), sorted(names))
    rc.flushall()
    rc.close()


def masters(addresses):
    """Where no replicas are named every node is a master, once."""
    rc = cluster(addresses, decode_responses=True)
    equal(sorted(node.port for node in rc.get_primaries()), sorted(port for _, port in addresses))
    equal(rc.get_replicas(), [])
    rc.close()


def replicas(addresses):
    """Reads at the replicas may be late, and come."""
    rc = cluster(addresses, decode_responses=True)
    equal(sorted(node.port for node in rc.get_primaries()), sorted(port for _, port in addresses))
    reader = cluster(addresses, decode_responses=True, read_from_replicas=True)
    found = [reader.get_node_from_key(f"tour:r{number}", replica=True) for number in range(50)]
    holds(len(addresses) == 1 or any(found), "the client finds no replicas")
    for number in range(50):
        equal(rc.set(f"tour:r{number}", number), True)
        # They take turns.
        for _ in range(6):
            wait_to_read(reader, f"tour:r{number}", str(number))
    for number in range(50):
        equal(rc.delete(f"tour:r{number}"), 1)
    reader.close()
    rc.close()


def wait_to_read(reader, key, value):
    deadline = time.monotonic() + 10
    while (got := reader.get(key)) != value:
        holds(time.monotonic() < deadline, f"a replica still has {got!r} of {key}, not {value!r}")
        time.sleep(0.01)


def run(part, client, where):
    try:
        client.flushall()
        part(client)
        equal(list(client.scan_iter()), [])
    except Exception as error:
        raise SystemExit(f"{where}, {part.__name__}: {error!r}") from error


def tour_plain(addresses, real):
    for protocol in (2, 3) if HAS_RESP3 else (2,):
        options = {"protocol": protocol} if HAS_RESP3 else {}
        parts = [strings, expiring_strings, numbers, keys, errors, pipelines, keys_of_any_slots, listing, server]
        for address in addresses:
            where = f"Redis, RESP{protocol}, {address[0]}:{address[1]}"
            for part in parts + ([] if real else [only_kv]):
                with plain(address, decode_responses=True, **options) as client:
                    run(part, client, where)
            with plain(address, **options) as client:
                run(binary, client, where)
            print(f"{where}: as expected")


def tour_cluster(addresses, options):
    for protocol in (2, 3) if HAS_RESP3 else (2,):
        settings = {"protocol": protocol} if HAS_RESP3 else {}
        where = f"RedisCluster, RESP{protocol}"
        parts = [strings, expiring_strings, numbers, keys, errors, pipelines, nodes, across_nodes]
        client = cluster(addresses, decode_responses=True, **settings)
        for part in parts + ([shares] if options.shares else []) + ([] if options.real else [only_kv]):
            run(part, client, where)
        client.close()
        client = cluster(addresses, **settings)
        run(binary, client, where)
        client.close()
        for part in [shares_by_map, replicas if options.replicas else masters]:
            try:
                part(addresses)
            except Exception as error:
                raise SystemExit(f"{where}, {part.__name__}: {error!r}") from error
        print(f"{where}: as expected")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--shares", action="store_true")
    parser.add_argument("--replicas", action="store_true")
    parser.add_argument("addresses")
    options = parser.parse_args()
    addresses = [parse_address(text) for text in options.addresses.split(",")]
    print(f"redis-py {redis.__version__}, Python {sys.version.split()[0]}")
    if options.cluster:
        tour_cluster(addresses, options)
    else:
        tour_plain(addresses, options.real)


if __name__ == "__main__":
    main()
