"""Bytes that are not well-formed commands, or barely: each on a connection of its own, to both servers."""

from resp import Connection, Failure, encode, shorten

# After each of them a PING follows, to see whether the connection still serves.
FIXED = [
    b"PING\r\n", b"PING\n", b"\r\n\r\nPING\r\n", b"   \r\n", b"\tPING\t\r\n", b"ping  hello\r\n", b"PING  \"a b\"\r\n",
    b"PING 'it\\'s'\r\n", b"PING \"\\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\\xzz\"\r\n", b"PING 'a\\n'\r\n", b"PING \"\"\r\n",
    b"PING \"a\"b\r\n", b"PING \"a\r\n", b"PING 'a\r\n", b"PING a\"b\"\r\n", b"PING \"a\" \"b\"\r\n",
    b"SET {t}i 1\r\nGET {t}i\r\nINCR {t}i\r\nDEL {t}i\r\n", b"get {t}nothing\r\n", b"GET {t}nothing\r\n",
    b"nosuch a b\r\n", b"\"\" x\r\n", b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"*\r\n", b"*a\r\n", b"*1 \r\n",
    b"* 1\r\n", b"*+1\r\n", b"*01\r\n", b"*1.0\r\n", b"*2147483648\r\n", b"*9223372036854775808\r\n",
    b"*1\n$4\r\nPING\r\n", b"*1\r\n$4\nPING\r\n", b"*1\r\n:4\r\n", b"*1\r\nPING\r\n", b"*1\r\n\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$\r\n", b"*1\r\n$a\r\n", b"*1\r\n$ 4\r\n",
    b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$4294967296\r\n",
    b"*1\r\n$99999999999999999999\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n", b"*1\r\n$0\r\n\r\n",
    b"*2\r\n$0\r\n\r\n$0\r\n\r\n", b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n", b"+PING\r\n", b"$4\r\nPING\r\n", b":1\r\n",
    b"%1\r\n", b"*1000\r\n", b"-ERR\r\n", b"_\r\n", b"*1\r\n$" + b"1" * 70_000, b"*" + b"1" * 70_000, b"x" * 70_000,
    b"PING " + b"y" * 60_000 + b"\r\n", b"PING \"" + b"z" * 70_000, encode([b"QUIT"]), encode([b"quit", b"now"]),
    encode([b"QUIT"]) + encode([b"SET", b"{t}late", b"1"]), encode([b"RESET"]), encode([b"RESET", b"x"]),
    encode([b"CLIENT", b"SETNAME", b"me"]) + encode([b"RESET"]) + encode([b"CLIENT", b"GETNAME"]),
    encode([b"HELLO", b"2", b"SETNAME", b"me"])[:3], encode([b"HELLO", b"2", b"AUTH", b"default", b""])[:20],
    encode([b"ECHO", b"x" * (1 << 20)]),
]
ALPHABET = [
    b"*", b"$", b"\r\n", b"\n", b"\r", b" ", b"1", b"2", b"4", b"-1", b"0", b"PING", b"GET", b"{t}a", b'"', b"'", b"\\",
    b"\\x41", b"+", b":",
]


def run(rng, reference, other):
    """Some of them at random, and some made at random; what differs, or None."""
    samples = [rng.choice(FIXED) for _ in range(3)]
    for _ in range(3):
        samples.append(b"".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 12))))
    for _ in range(2):
        samples.append(damage(rng))
    return next(filter(None, (try_one(sample, reference, other) for sample in samples)), None)


def damage(rng):
    """A command of which a byte is missing, added or changed."""
    value = rng.choice((b"1", b"", b"\r\n"))
    data = bytearray(encode([b"SET", b"{t}damaged", value]) + encode([b"GET", b"{t}damaged"]))
    at = rng.randrange(len(data))
    kind = rng.randrange(3)
    if kind == 0:
        del data[at]
    elif kind == 1:
        data.insert(at, rng.choice(b"*$\r\n 019-ax"))
    else:
        data[at] = rng.choice(b"*$\r\n 019-ax")
    return bytes(data)


def try_one(sample, reference, other):
    answers = [answer(sample, address) for address in (reference, other)]
    if answers[0] == answers[1]:
        return None
    return f"{shorten(sample)}\n  redis: {shorten(answers[0])}\n  other: {shorten(answers[1])}"


def answer(sample, address):
    """What comes back for the bytes, a few line ends, and a PING; then nothing more is sent."""
    connection = Connection(address)
    try:
        connection.send(encode([b"DEL", b"{t}damaged"]))
        connection.read()
        try:
            connection.send(sample)
            if len(sample) < 65_536 or sample.endswith(b"\r\n"):
                connection.send(b"\r\n\r\n" + encode([b"PING", b"after"]))
            connection.socket.shutdown(1)
        except OSError:
            pass  # It has closed already; what it said counts.
        try:
            return connection.read_to_end()
        except OSError:
            raise Failure(f"{address}: neither an answer nor an end after {shorten(sample)}") from None
    finally:
        connection.close()
