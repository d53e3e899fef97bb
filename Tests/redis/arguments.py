"""What random commands are made of: few keys, so that they meet, and arguments that are right, at a limit, or wrong."""


# The limit on values that both servers are given. Bytes.
VALUE_LIMIT = 1 << 20

# A day's distance between any two expiries of a run, so that none is later than another by the run's own time.
DAY_S = 86_400

INTEGERS = [
    b"0", b"1", b"-1", b"2", b"7", b"10", b"99", b"100", b"-100", b"9999", b"10000", b"65536", b"2147483647",
    b"2147483648", b"-2147483649", b"4294967296", b"4611686018427387904", b"9223372036854775806",
    b"9223372036854775807", b"-9223372036854775807", b"-9223372036854775808",
]
NOT_INTEGERS = [
    b"", b"a", b"-", b"+", b"+1", b"-0", b"00", b"01", b"-01", b" 1", b"1 ", b"1.0", b"1e2", b"0x10", b"1\x00", b"\xff",
    b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616", b"9" * 30,
    b"nan",
]
NUMBERS = [
    b"0", b"0.0", b"-0", b"-0.0", b"1", b"+1", b"1.5", b".5", b"5.", b"-.5e1", b"3.0e3", b"1e17", b"1e18", b"1e-17",
    b"1e-18", b"5e-18", b"1e-4950", b"1e-5000", b"0.1", b"0.2", b"-0.3", b"10.50", b"5.0e3", b"0x1p3", b"0x1.8p-2",
    b"-0X.8P1", b"0x10", b"1E5", b"9223372036854775807", b"18446744073709551615", b"18446744073709551616",
    b"18446744073709551617", b"0.12345678901234567890123", b"3.14159265358979323846", b"1e300", b"-1e300", b"1e4932",
    b"1.1e4932", b"123456789012345678.125", b"0001.5", b"2.5e+2", b"99999999999999999999.5", b"0." + b"3" * 60,
    b"7" * 40,
]
NOT_NUMBERS = [
    b"", b"a", b"-", b".", b"e1", b"1e", b"1e+", b" 1", b"1 ", b"1,5", b"1.5.5", b"nan", b"NaN", b"inf", b"-inf",
    b"+Infinity", b"0x", b"1e5000", b"-1e5000", b"1_0", b"1\x00", b"1e1e1", b"--1", b"infinit", b"nan(1)", b"0b1",
    b"1f", b"1L",
]
TEXTS = [
    b"", b"a", b"hello", b"hello world", b"\x00", b"\r\n", b"\xff\xfe\x00\x80", b"a" * 44, b"a" * 45, b"%s%n",
    b'"quoted"', "äöü".encode(), b"$5\r\nhello\r\n", bytes(range(256)), b"x" * 1000, b"12 ", b"1a",
]
PATTERNS = [
    b"*", b"", b"a*", b"*a", b"?", b"??", b"k?y", b"[a-k]*", b"[^a]*", b"[z-a]", b"[a", b"[]", b"[^]", b"\\*", b"\\",
    b"**", b"*?*", b"k[e]y*", b"[\\]a]", b"k*y*1", b"*\xff*", b"*\x00*", b"a[", b"[a-", b"KEY*", b"*{*", b"[^-]*",
    b"[a-z][a-z]*", b"\\a", b"*" * 20 + b"b",
]
SET_OPTIONS = [b"NX", b"XX", b"GET", b"KEEPTTL", b"EX", b"PX", b"EXAT", b"PXAT"]
SUBCOMMAND_JUNK = [b"nosuch", b"", b"\xff\x00", b"SUB|x", b"a" * 200]




class Arguments:
    """Draws arguments from a seeded source."""

    def __init__(self, rng, now_s, in_cluster):
        self.rng = rng
        self.now_s = now_s
        self.in_cluster = in_cluster
        # In a cluster of Redis, commands of several keys want them in one slot.
        tag = b"{t}" if in_cluster else b""
        names = [b"a", b"b", b"key:1", b"key:2", b"KEY", b"\x00\xff\r\n", b"{u}x", b"a*"]
        self.keys = [tag + name for name in names]
        self.ages = iter(rng.sample(range(1, 30_000), 20_000))

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, *choices):
        return self.rng.choice(choices)

    def key(self):
        return self.rng.choice(self.keys)

    def several(self, least=1):
        return [self.key() for _ in range(self.rng.randint(least, 4))]

    def integer(self):
        if self.chance(0.5):
            return b"%d" % self.rng.randint(-20, 20)
        if self.chance(0.1):
            return b"%d" % self.rng.randint(-(1 << 65), 1 << 65)
        return self.rng.choice(INTEGERS if self.chance(0.7) else NOT_INTEGERS)

    def number(self):
        """For INCRBYFLOAT."""
        kind = self.rng.random()
        if kind < 0.35:
            return self.rng.choice(NUMBERS)
        if kind < 0.5:
            return self.rng.choice(NOT_NUMBERS)
        if kind < 0.6:
            return self.rng.choice(INTEGERS)
        digits = "".join(self.rng.choice("0123456789") for _ in range(self.rng.randint(1, 24)))
        dot = self.rng.randint(0, len(digits))
        text = self.pick("", "", "-", "+") + digits[:dot] + self.pick("", ".") + digits[dot:]
        if self.chance(0.3):
            text += self.pick("e", "E") + str(self.rng.randint(-30, 30))
        return text.encode()

    def value(self):
        kind = self.rng.random()
        if kind < 0.35:
            return self.rng.choice(INTEGERS)
        if kind < 0.45:
            return self.rng.choice(NOT_INTEGERS)
        if kind < 0.6:
            return self.number()
        if kind < 0.95:
            return self.rng.choice(TEXTS)
        return bytes(self.rng.getrandbits(8) for _ in range(self.rng.randint(0, 400)))

    def offset(self):
        if self.chance(0.8):
            return b"%d" % self.rng.randint(-3, 30)
        if self.chance(0.02):
            return b"%d" % (VALUE_LIMIT - self.rng.randint(-2, 6))
        return self.pick(b"300", b"-300", b"536870911", b"536870912", b"4294967296", self.integer())

    def expiry(self, unit):
        """An argument for EX, PX, EXAT or PXAT. None is near: keys do not expire while they are compared."""
        kind = self.rng.random()
        scale = 1000 if unit.startswith(b"P") else 1
        if kind < 0.7:
            at_s = next(self.ages) * DAY_S + 4321
            return b"%d" % ((at_s + self.now_s if unit.endswith(b"AT") else at_s) * scale)
        if kind < 0.8:
            return self.pick(b"0", b"-1", b"-1000", b"1" if unit.endswith(b"AT") else b"0")
        if kind < 0.9:
            limit = ((1 << 63) - 1) // (1 if scale == 1000 else 1000)
            margin = self.pick(0, 1, -1, 10**6, (self.now_s + next(self.ages) * DAY_S) * scale)
            return b"%d" % (self.pick(1, -1) * (limit - margin))
        return self.pick(*NOT_INTEGERS, b"9223372036854775807", b"-9223372036854775808")

    def option(self, name):
        """An option of SET or GETEX, with its argument."""
        spelled = name.lower() if self.chance(0.3) else name
        return [spelled, self.expiry(name)] if name in (b"EX", b"PX", b"EXAT", b"PXAT") else [spelled]

    def pattern(self):
        if self.chance(0.6):
            return self.rng.choice(PATTERNS)
        pieces = [b"*", b"?", b"[a-m]", b"[^k]", b"a", b"k", b"e", b"y", b":", b"1", b"\\", b"[", b"]", b"-", b"^"]
        return b"".join(self.rng.choice(pieces) for _ in range(self.rng.randint(0, 6)))
