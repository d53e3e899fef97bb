"""How two replies are compared where they need not be the same bytes. Each rule returns what is wrong, or None."""

from resp import shorten

# What clients look at. A reply may have more.
INFO_FIELDS = {
    "redis_version",
    "redis_mode",
    "tcp_port",
    "uptime_in_seconds",
    "connected_clients",
    "used_memory",
    "role",
    "cluster_enabled",
}
CLIENT_FIELDS = {"id", "addr", "laddr", "name", "age", "idle", "flags", "db", "cmd", "user", "resp"}
CLUSTER_INFO_FIELDS = {
    "cluster_state",
    "cluster_slots_assigned",
    "cluster_slots_ok",
    "cluster_known_nodes",
    "cluster_size",
    "cluster_current_epoch",
}


def compare(rule, left, right, slack_s):
    """`slack_s`: by how much the two servers may have been late, besides a rule's own tolerance."""
    if left.is_error or right.is_error:
        return exact(left, right)
    if rule in ("seconds", "milliseconds"):
        return _near(left, right, slack_s * (1 if rule == "seconds" else 1000) + (1 if rule == "seconds" else 100))
    return RULES[rule](left, right)


def exact(left, right):
    return None if left.raw == right.raw else "the replies differ"


def _near(left, right, tolerance):
    if left.kind != b":" or right.kind != b":" or min(left.value, right.value) < 0:
        return exact(left, right)
    return None if abs(left.value - right.value) <= tolerance else f"further apart than {tolerance:.3f}"


def _presence(left, right):
    if (left.kind, left.is_null) != (right.kind, right.is_null):
        return "one is of another type"
    return None


def _unordered(left, right):
    if left.kind != right.kind or left.is_null or right.is_null:
        return exact(left, right)
    return (
        None
        if sorted(part.raw for part in left.value) == sorted(part.raw for part in right.value)
        else "not the same set"
    )


def _lines(reply):
    return dict(line.split(":", 1) for line in reply.text().split("\r\n") if ":" in line)


def _info(left, right):
    return _presence(left, right) or _missing(INFO_FIELDS, _lines(left), _lines(right))


def _missing(fields, *replies):
    for fields_of_reply in replies:
        if lacking := fields - set(fields_of_reply):
            return f"no {', '.join(sorted(lacking))} in {shorten(fields_of_reply)}"
    return None


def _sections(left, right):
    """The first section's title; that of a section that does not exist is nothing."""
    titles = [reply.text().split("\r\n")[0] for reply in (left, right)]
    return _presence(left, right) or (None if titles[0] == titles[1] else f"titles {titles}")


def _client(left, right):
    clients = [
        [dict(word.split("=", 1) for word in line.split(" ")) for line in reply.text().strip("\n").split("\n")]
        for reply in (left, right)
    ]
    wrong = _presence(left, right) or _missing(CLIENT_FIELDS, *clients[0], *clients[1])
    if not wrong and len(clients[0]) == len(clients[1]) == 1:
        for field in ("name", "db", "cmd", "user", "resp"):
            if clients[0][0][field] != clients[1][0][field]:
                return f"{field} differs"
    return wrong


def _hello(left, right):
    if left.kind != right.kind:
        return exact(left, right)
    pairs = left.pairs(), right.pairs()
    wrong = _missing({"server", "version", "proto", "id", "mode", "role", "modules"}, *pairs)
    for field in ("server", "proto", "role", "modules"):
        wrong = wrong or exact(pairs[0][field], pairs[1][field]) and f"{field} differs"
    return wrong


def _time(left, right):
    """Lists of seconds and microseconds, in strings."""
    times = [int(reply.value[0].value) + int(reply.value[1].value) / 1e6 for reply in (left, right)]
    return None if abs(times[0] - times[1]) < 2 else "another time"


def _commands(left, right):
    """COMMAND INFO: by name, arity, where the keys are, and whether it reads or writes."""
    for mine, other in zip(left.value, right.value):
        if mine.is_null or other.is_null:
            if mine.raw != other.raw:
                return "one does not know the command"
            continue
        for index, what in (0, "name"), (1, "arity"), (3, "first key"), (4, "last key"), (5, "step"):
            if mine.value[index].raw != other.value[index].raw:
                return f"{what} of {mine.value[0]} differs"
        flags = [{flag.value for flag in reply.value[2].value} & {b"write", b"readonly"} for reply in (mine, other)]
        if flags[0] != flags[1]:
            return f"flags of {mine.value[0]} differ"
    return _presence(left, right) or (None if len(left.value) == len(right.value) else "another count")


def _docs(left, right):
    pairs = left.pairs(), right.pairs()
    if pairs[0].keys() != pairs[1].keys():
        return "other commands"
    return _presence(left, right) or _missing({"summary"}, *(doc.pairs() for reply in pairs for doc in reply.values()))


def _config(left, right):
    if left.pairs().keys() != right.pairs().keys():
        return "other parameters"
    return _presence(left, right)


def _identity(left, right):
    return _presence(left, right) or (None if len(left.value) == len(right.value) == 40 else "not 40 digits")


def _cluster_info(left, right):
    fields = _lines(left), _lines(right)
    wrong = _presence(left, right) or _missing(CLUSTER_INFO_FIELDS, *fields)
    for field in ("cluster_state", "cluster_slots_assigned", "cluster_slots_ok"):
        wrong = wrong or (None if fields[0][field] == fields[1][field] else f"{field} differs")
    return wrong


def _cluster_slots(left, right):
    for reply in left, right:
        covered = 0
        for span in reply.value:
            first, last, leader = span.value[:3]
            covered += last.value - first.value + 1
            if leader.value[1].kind != b":" or len(leader.value[2].value) != 40:
                return f"a node without host, port and id: {leader}"
        if covered != 16384:
            return f"{covered} slots in {reply}"
    return None


def _cluster_shards(left, right):
    for reply in left, right:
        covered = 0
        for shard in reply.value:
            fields = shard.pairs()
            bounds = [bound.value for bound in fields["slots"].value]
            covered += sum(last - first + 1 for first, last in zip(bounds[::2], bounds[1::2]))
            for node in fields["nodes"].value:
                if wrong := _missing(
                    {"id", "port", "ip", "endpoint", "role", "replication-offset", "health"}, node.pairs()
                ):
                    return wrong
        if covered != 16384:
            return f"{covered} slots in {reply}"
    return None


def _cluster_nodes(left, right):
    for reply in left, right:
        lines = [line.split(" ") for line in reply.text().strip("\n").split("\n")]
        if sum("myself" in line[2].split(",") for line in lines if len(line) >= 8) != 1:
            return f"not one line for this node in {reply}"
        if any(len(line) < 8 or len(line[0]) != 40 or "@" not in line[1] for line in lines):
            return f"a line that is none in {reply}"
    return _presence(left, right)


RULES = {
    "exact": exact,
    "presence": _presence,
    "unordered": _unordered,
    "info": _info,
    "sections": _sections,
    "client": _client,
    "hello": _hello,
    "time": _time,
    "commands": _commands,
    "docs": _docs,
    "config": _config,
    "identity": _identity,
    "cluster info": _cluster_info,
    "cluster slots": _cluster_slots,
    "cluster shards": _cluster_shards,
    "cluster nodes": _cluster_nodes,
}
