"""Random commands, and the rules by which their replies are compared."""

from arguments import NOT_INTEGERS, SET_OPTIONS, SUBCOMMAND_JUNK, Arguments


class Step:
    """One command and the rule its two replies are compared by; or several commands that make one answer."""

    __slots__ = ("arguments", "rule")

    def __init__(self, arguments, rule="exact"):
        self.arguments, self.rule = arguments, rule

    def __repr__(self):
        words = " ".join(repr(argument)[1:] for argument in self.arguments)
        return (words if len(words) < 2000 else f"{words[:1000]} ... {words[-100:]}") + f"   [{self.rule}]"


class Commands(Arguments):
    """Draws steps."""

    def __init__(self, rng, now_s, in_cluster):
        super().__init__(rng, now_s, in_cluster)
        self.makers = [maker for weight, maker in self._table() for _ in range(weight)]

    def step(self):
        step = self.rng.choice(self.makers)()
        arguments = step.arguments
        if step.rule in ("scan", "dbsize", "sleep"):
            return step
        if self.chance(0.05) and step.rule != "sequence" and arguments[0] not in (b"COMMAND", b"CONFIG", b"INFO"):
            arguments = self._misshape(arguments)
        arguments[0] = self._respell(arguments[0])
        return Step(arguments, step.rule)

    def additions(self):
        """To one key, one after another: such may take effect together."""
        key = self.key()
        edge = self.pick(2**63 - 3, -(2**63) + 2, None, None)
        steps = [] if edge is None else [Step([b"SET", key, b"%d" % edge])]
        for _ in range(self.rng.randint(2, 20)):
            name = self.pick(b"INCR", b"INCR", b"DECR", b"INCRBY", b"DECRBY")
            steps.append(Step([name, key] + ([self.integer()] if name.endswith(b"BY") else [])))
        return steps

    def _respell(self, name):
        kind = self.rng.random()
        if kind < 0.3:
            return name.lower()
        if kind < 0.4:
            return bytes(self.rng.choice((byte, byte ^ 0x20)) if 65 <= byte <= 90 else byte for byte in name)
        return name

    def _misshape(self, arguments):
        """Takes an argument away, or adds one."""
        kind = self.rng.random()
        if kind < 0.4 and len(arguments) > 1:
            return arguments[:-1]
        if kind < 0.8:
            takes_keys = arguments[0] in (b"MGET", b"MSET", b"DEL", b"UNLINK", b"EXISTS", b"TOUCH")
            return arguments + [self.key() if takes_keys else self.pick(b"", b"1", b"NX", b"EX", self.key())]
        return arguments[:1]

    # Commands

    def _table(self):
        return [
            (6, lambda: Step([b"GET", self.key()])),
            (10, self._set),
            (1, self._set_then_encoding),
            (2, lambda: Step([b"SETNX", self.key(), self.value()])),
            (2, self._setex),
            (2, lambda: Step([b"GETSET", self.key(), self.value()])),
            (2, lambda: Step([b"GETDEL", self.key()])),
            (3, self._getex),
            (2, lambda: Step([b"MGET"] + self.several())),
            (2, self._mset),
            (3, lambda: Step([b"APPEND", self.key(), self.value()])),
            (2, lambda: Step([b"STRLEN", self.key()])),
            (3, lambda: Step([b"GETRANGE", self.key(), self.offset(), self.offset()])),
            (3, lambda: Step([b"SETRANGE", self.key(), self.offset(), self.value()])),
            (3, lambda: Step([self.pick(b"INCR", b"DECR"), self.key()])),
            (5, lambda: Step([self.pick(b"INCRBY", b"DECRBY"), self.key(), self.integer()])),
            (5, lambda: Step([b"INCRBYFLOAT", self.key(), self.number()])),
            (3, lambda: Step([self.pick(b"DEL", b"UNLINK")] + self.several())),
            (2, lambda: Step([self.pick(b"EXISTS", b"TOUCH")] + self.several())),
            (1, lambda: Step([b"TYPE", self.key()])),
            (8, self._expire),
            (6, self._ttl),
            (2, lambda: Step([b"PERSIST", self.key()])),
            (2, self._keys),
            (1, self._scan),
            (1, lambda: Step([b"DBSIZE"], "dbsize")),
            (1, lambda: Step([b"RANDOMKEY"], "presence")),
            (1, self._connection),
            (1, self._server),
            (1, self._unknown),
            (1, self._rare),
        ]

    def _set(self):
        arguments = [b"SET", self.key(), self.value()]
        if self.chance(0.5):
            for _ in range(self.rng.randint(1, 3)):
                arguments += self.option(self.rng.choice(SET_OPTIONS))
            if self.chance(0.05):
                arguments.append(self.pick(b"", b"nosuch", b"PERSIST", b"EX", b"GETX"))
        return Step(arguments)

    def _set_then_encoding(self):
        # Only just after it was set whole: Redis remembers how a value came about, and answers accordingly.
        key = self.key()
        return Step([b"SET", key, self.value(), b"|", b"OBJECT", self.pick(b"ENCODING", b"encoding"), key], "sequence")

    def _setex(self):
        name, unit = self.pick((b"SETEX", b"EX"), (b"PSETEX", b"PX"))
        return Step([name, self.key(), self.expiry(unit), self.value()])

    def _getex(self):
        options = self.rng.choices([[], [b"PERSIST"], None], [2, 1, 4])[0]
        if options is None:
            options = self.option(self.pick(b"EX", b"PX", b"EXAT", b"PXAT"))
        if self.chance(0.1):
            options = options + self.option(self.pick(b"NX", b"PERSIST", b"EX", b"KEEPTTL", b"nosuch"))
        return Step([b"GETEX", self.key()] + options)

    def _mset(self):
        return Step([b"MSET"] + [part for key in self.several() for part in (key, self.value())])

    def _expire(self):
        name, unit = self.pick((b"EXPIRE", b"EX"), (b"PEXPIRE", b"PX"), (b"EXPIREAT", b"EXAT"), (b"PEXPIREAT", b"PXAT"))
        options = []
        if self.chance(0.6):
            options = [self.pick(b"NX", b"XX", b"GT", b"LT", b"gt", b"Xx", b"nosuch")]
            if self.chance(0.3):
                options.append(self.pick(b"NX", b"XX", b"GT", b"LT"))
        return Step([name, self.key(), self.expiry(unit)] + options)

    def _ttl(self):
        name, rule = self.pick(
            (b"TTL", "seconds"), (b"PTTL", "milliseconds"), (b"EXPIRETIME", "seconds"), (b"PEXPIRETIME", "milliseconds")
        )
        return Step([name, self.key()], rule)

    def _keys(self):
        pattern = self.pattern()
        return Step([b"KEYS", b"{t}" + pattern if self.in_cluster and self.chance(0.7) else pattern], "unordered")

    def _scan(self):
        if self.chance(0.3):
            cursor = self.pick(b"0", b"a", b" 0", b"18446744073709551616", b"1.5")
            wrong = self.pick(
                [b"COUNT", b"0"], [b"COUNT", b"a"], [b"COUNT"], [b"MATCH"], [b"nosuch", b"1"], [b"COUNT", b"-1"]
            )
            return Step([b"SCAN", cursor] + (wrong if cursor == b"0" or self.chance(0.5) else []), "presence")
        options = []
        if self.chance(0.5):
            options += [self.pick(b"MATCH", b"match"), self.pattern()]
        if self.chance(0.5):
            options += [b"COUNT", self.pick(b"1", b"3", b"10", b"1000")]
        if self.chance(0.3):
            options += [b"TYPE", self.pick(b"string", b"STRING", b"list", b"nosuch")]
        return Step([b"SCAN", b"0"] + options, "scan")

    def _connection(self):
        return self.pick(
            Step([b"PING"]),
            Step([b"PING", self.value()]),
            Step([b"ECHO", self.value()]),
            Step([b"SELECT", b"0"]),
            Step([b"SELECT", self.pick(*NOT_INTEGERS)]),
            Step([b"CLIENT", b"SETNAME", self.pick(b"me", b"", b"a b", b"\xff", b"x\n")]),
            Step([b"CLIENT", b"GETNAME"]),
            Step([b"client", b"ID"], "presence"),
            Step([b"CLIENT", b"INFO"], "client"),
            Step([b"CLIENT", b"NO-EVICT", self.pick(b"ON", b"off", b"maybe")]),
            Step([b"CLIENT", self.rng.choice(SUBCOMMAND_JUNK)]),
            Step([b"CLIENT"]),
            Step([b"CLIENT", b"LIST"], "client"),
            Step([b"AUTH", b"secret"]),
            Step([b"AUTH", b"nobody", b"secret"]),
            Step([b"AUTH"]),
            Step([b"AUTH", b"a", b"b", b"c"]),
            Step([b"HELLO", self.pick(b"1", b"4", b"a", b"", b"2.5", b"9223372036854775808")], "hello"),
            Step([b"HELLO", b"3", self.pick(b"AUTH", b"SETNAME", b"nosuch")], "hello"),
            Step([b"HELLO", b"2", b"SETNAME", b"a b"], "hello"),
            Step([b"HELLO"], "hello"),
            Step([b"HELLO", self.pick(b"2", b"3")], "hello"),
            Step([b"RESET"]),
            Step([b"TIME"], "time"),
            *([Step([b"SELECT", self.pick(b"1", b"-1", b"16")])] if self.in_cluster else []),
        )

    def _server(self):
        name = self.pick(
            b"get", b"SET", b"mget", b"mset", b"del", b"expire", b"getex", b"scan", b"ping", b"nosuch", b"config|get"
        )
        return self.pick(
            Step([b"COMMAND", b"INFO", name, self.pick(b"incrbyfloat", b"nosuch", b"object", b"client")], "commands"),
            Step([b"COMMAND", b"COUNT"], "presence"),
            Step([b"COMMAND", b"DOCS", name], "docs"),
            Step([b"COMMAND", b"GETKEYS"] + self.rng.choice(self._getkeys())),
            Step([b"COMMAND", self.rng.choice(SUBCOMMAND_JUNK)]),
            Step(
                [b"CONFIG", b"GET", self.pick(b"save", b"appendonly", b"maxmemory", b"nosuch", b"MAXMEMORY-policy")],
                "config",
            ),
            Step([b"CONFIG", b"GET"]),
            Step([b"CONFIG", self.rng.choice(SUBCOMMAND_JUNK)]),
            Step([b"CONFIG"]),
            Step([b"INFO"], "info"),
            Step([b"INFO", self.pick(b"server", b"CLUSTER", b"Clients", b"nosuch", b"all")], "sections"),
            Step([b"WAIT", b"0", self.pick(b"1", b"-1", b"a", b"9223372036854775808")], "presence"),
            Step([b"WAIT", self.pick(b"a", b"1.5", b""), b"1"]),
            Step([b"OBJECT", b"ENCODING", self.key()], "presence"),
            Step([b"OBJECT", self.rng.choice(SUBCOMMAND_JUNK)]),
            Step([b"OBJECT"]),
            *self._cluster(),
        )

    def _getkeys(self):
        return [
            [b"GET", b"a"],
            [b"mget", b"a", b"b", b""],
            [b"MSET", b"a", b"1", b"b", b"2"],
            [b"DEL", b"x"],
            [b"PING"],
            [b"nosuch", b"a"],
            [b"GET"],
            [b"GET", b"a", b"b"],
            [b"SET", b"k", b"v", b"EX", b"1"],
            [b"OBJECT", b"ENCODING", b"k"],
            [b"MSET", b"a", b"1", b"b"],
            [],
            [b"EXPIRE", b"k", b"1", b"NX"],
            [b"SCAN", b"0"],
            [b"object", b"nosuch"],
        ]

    def _cluster(self):
        if not self.in_cluster:
            return []
        key = self.pick(*self.keys, b"", b"{}x", b"a{b}c", b"{", b"x{}{y}", b"foo{{bar}}", self.value())
        return [
            Step([b"CLUSTER", b"KEYSLOT", key]),
            Step([b"cluster", b"MYID"], "identity"),
            Step([b"CLUSTER", b"INFO"], "cluster info"),
            Step([b"CLUSTER", b"SLOTS"], "cluster slots"),
            Step([b"CLUSTER", b"SHARDS"], "cluster shards"),
            Step([b"CLUSTER", b"NODES"], "cluster nodes"),
            Step([b"CLUSTER", self.rng.choice(SUBCOMMAND_JUNK)]),
            Step([b"CLUSTER"]),
            Step([b"READONLY", b"|", b"READWRITE"], "sequence"),
        ]

    def _unknown(self):
        name = self.pick(b"NOSUCH", b"", b"get ", b"\xff\xfe", b"a" * 200, b"GE\nT", b"ge\x00t", b"foo'bar")
        return Step([name] + [self.pick(self.value(), b"\r\n", b"x" * 200) for _ in range(self.rng.randint(0, 6))])

    def _rare(self):
        """What takes time, or empties everything."""
        kind = self.rng.random()
        if kind < 0.2:
            return Step(
                [self.pick(b"FLUSHALL", b"FLUSHDB")]
                + self.pick([], [], [b"ASYNC"], [b"sync"], [b"nosuch"], [b"SYNC", b"x"])
            )
        if kind < 0.3:
            key = self.key()
            ways = (
                [b"SET", key, b"v", b"PX", b"40"],
                [b"PSETEX", key, b"40", b"v"],
                [b"PEXPIRE", key, b"40"],
                [b"GETEX", key, b"PX", b"40"],
            )
            return Step(self.pick(*ways), "sleep")
        return Step([b"GET", self.key()])
