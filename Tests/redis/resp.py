"""A connection that speaks the Redis protocol, versions 2 and 3, and keeps replies as the bytes that came."""

import socket

# A reply of a test is never longer, and never waits longer.
MAX_LENGTH = 64 << 20
TIMEOUT_S = 20.0


class Failure(Exception):
    """What a test did not expect of the server."""


class Reply:
    """One reply: its bytes, its type's first byte, and its value: bytes, an int, a list or None."""

    __slots__ = ("raw", "kind", "value")

    def __init__(self, raw, kind, value):
        self.raw, self.kind, self.value = raw, kind, value

    def __repr__(self):
        return shorten(self.raw)

    @property
    def is_error(self):
        return self.kind in b"-!"

    @property
    def is_null(self):
        return self.value is None

    def text(self):
        """Of a string; a verbatim string's without its format."""
        value = self.value if isinstance(self.value, bytes) else b""
        return (value[4:] if self.kind == b"=" else value).decode("utf-8", "replace")

    def pairs(self):
        """A map, or the flat list that is one in version 2: by names in text."""
        return {self.value[i].text(): self.value[i + 1] for i in range(0, len(self.value) - 1, 2)}


class Connection:
    def __init__(self, address):
        self.address = address
        self.socket = socket.create_connection(address, TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.position = 0

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def call(self, *arguments):
        self.send(encode(arguments))
        return self.read()

    def read(self):
        """The next reply."""
        del self.buffer[: self.position]
        self.position = 0
        kind, value = self._read_value()
        return Reply(bytes(self.buffer[: self.position]), kind, value)

    def read_to_end(self):
        """What comes until the other end closes; and None instead of the end if it stays open and silent."""
        data = bytes(self.buffer[self.position :])
        self.buffer.clear()
        self.position = 0
        try:
            while chunk := self.socket.recv(1 << 16):
                data += chunk
        except ConnectionResetError:
            pass
        return data

    def _fill(self):
        chunk = self.socket.recv(1 << 16)
        if not chunk:
            raise Failure(f"{self.address}: closed before the reply, after {shorten(bytes(self.buffer))}")
        self.buffer += chunk

    def _line(self):
        while (end := self.buffer.find(b"\r\n", self.position)) < 0:
            if len(self.buffer) - self.position > MAX_LENGTH:
                raise Failure(f"{self.address}: a line without an end")
            self._fill()
        line = bytes(self.buffer[self.position : end])
        self.position = end + 2
        return line

    def _bytes(self, count):
        while len(self.buffer) < self.position + count + 2:
            self._fill()
        value = bytes(self.buffer[self.position : self.position + count])
        self.position += count
        if self.buffer[self.position : self.position + 2] != b"\r\n":
            raise Failure(f"{self.address}: no end after {count} bytes of a string")
        self.position += 2
        return value

    def _read_value(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind in (b"+", b"-", b",", b"(", b"#"):
            return kind, rest
        if kind == b":":
            return kind, self._integer(rest)
        if kind == b"_":
            return kind, None
        if kind in (b"$", b"=", b"!", b"*", b"~", b">", b"%"):
            count = self._integer(rest)
            if count == -1 and kind in (b"$", b"*"):
                return kind, None
            if not 0 <= count <= MAX_LENGTH:
                raise Failure(f"{self.address}: a reply of length {rest!r}")
            if kind in (b"$", b"=", b"!"):
                return kind, self._bytes(count)
            return kind, [self._part() for _ in range(count * 2 if kind == b"%" else count)]
        raise Failure(f"{self.address}: not a reply: {shorten(line)}")

    def _part(self):
        start = self.position
        kind, value = self._read_value()
        return Reply(bytes(self.buffer[start : self.position]), kind, value)

    def _integer(self, text):
        try:
            return int(text)
        except ValueError:
            raise Failure(f"{self.address}: not an integer: {text!r}") from None


def encode(arguments):
    """A command as a client sends it."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def parse_address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise SystemExit(f"not HOST:PORT: {text}")
    return host, int(port)


def shorten(data, limit=300):
    text = repr(data)
    return text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]} ({len(data)} bytes)"
