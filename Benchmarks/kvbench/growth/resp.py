"""A plain client of Redis's protocol: one request after the other, or a pipeline whose replies are only counted."""

import socket

from .. import Trouble

# So many commands are written before their replies are read.
PIPELINE = 500


def encode(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    def __init__(self, port, timeout=600):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", buffering=1 << 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def ask(self, *words):
        self.socket.sendall(encode(*words))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Trouble("a node closed a connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Trouble(f"a node refused: {rest.decode(errors='replace')}")
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def size_of(self, *words):
        """Bytes of the reply, which is not kept."""
        self.socket.sendall(encode(*words))
        return self.skip()

    def skip(self):
        """Reads a reply and throws it away; returns its bytes."""
        line = self.file.readline()
        if line[:1] == b"-" or not line:
            raise Trouble(f"a node refused, or closed the connection: {line.decode(errors='replace')}")
        if line[:1] == b"$":
            return len(line) + (len(self.file.read(int(line[1:]) + 2)) if int(line[1:]) >= 0 else 0)
        if line[:1] == b"*":
            return len(line) + sum(self.skip() for _ in range(int(line[1:])))
        return len(line)

    def pipeline(self, commands):
        """Sends encoded commands, `PIPELINE` at a time."""
        batch = []
        for command in commands:
            batch.append(command)
            if len(batch) == PIPELINE:
                self.drain(batch)
                batch = []
        self.drain(batch)

    def drain(self, batch):
        self.socket.sendall(b"".join(batch))
        for _ in batch:
            self.skip()
