#!/usr/bin/env python3
"""Sends the same random commands to a Redis and to another server, and compares the replies byte by byte.

    differential.py [--seed S] [--count N] REDIS_HOST:PORT HOST:PORT[,HOST:PORT...]

The seed replays; a mismatch is printed with what led to it, shrunk by replaying, and ends the run with 1.
Start the Redis with `--proto-max-bulk-len 1mb`, as the other server's values are held to 1 MiB. In cluster mode (one
node with all slots) keys share a slot, and cluster commands are compared as well; otherwise keys are of any slots.

Deliberate differences, which are not compared:
- Commands of other types than strings, MULTI, MSETNX, RENAME and the like: refused by the other server.
- Subcommands of CLIENT, COMMAND, CONFIG, CLUSTER and OBJECT that only Redis has.
- A command of more than 1,048,576 arguments is refused at once; Redis's limit is 2,147,483,647.
- An argument over the limit is an error of its command's; Redis closes the connection.
- A command of several keys takes keys of several slots; a cluster of Redis refuses it (CROSSSLOT).
- A zero byte in an inline command is a byte; Redis takes it for the end of what it has read.
- OBJECT ENCODING is compared just after a SET: Redis remembers how a value came about (APPEND, SETRANGE, INCRBYFLOAT).
- What SCAN's cursors are (Redis takes an empty one, and negative ones), and in what order KEYS and SCAN answer.
- Which keys KEYS, SCAN and DBSIZE are about once a connection has asked for CLUSTER SLOTS: start several nodes with
  `redis.keyspace: cluster`.
- How many commands there are (COMMAND COUNT), how many replicas (WAIT), and what INFO says of the server's state.
"""

import argparse
import random
import sys
import time
import zlib

import strange
from commands import Commands
from resp import Connection, Failure, encode, parse_address
from shapes import compare

ROUND = 500
SHRINK_LIMIT_S = 30.0


class Mismatch(Exception):
    def __init__(self, step, wrong, replies):
        super().__init__(wrong)
        self.step, self.wrong, self.replies = step, wrong, replies


class Pair:
    """The two servers, with connections that correspond."""

    def __init__(self, reference, others, version, count=3):
        self.connections = [(Connection(reference), Connection(others[index % len(others)])) for index in range(count)]
        # The longest that the two may lie apart in time.
        self.slack_s = 0.0
        if version == 3:
            for pair in self.connections:
                for connection in pair:
                    if connection.call("HELLO", "3").is_error:
                        raise Failure(f"{connection.address}: HELLO 3 is refused")

    def close(self):
        for pair in self.connections:
            for connection in pair:
                connection.close()

    def clear(self):
        for connection in self.connections[0]:
            reply = connection.call("FLUSHALL")
            if reply.is_error:
                raise Failure(f"{connection.address}: FLUSHALL: {reply}")

    def run(self, steps, index):
        """Steps in one pipeline on the connections of an index."""
        pair = self.connections[index % len(self.connections)]
        if steps[0].rule in ("scan", "dbsize"):
            return self._collect(steps[0], pair)
        began = time.monotonic()
        commands = [command for step in steps for command in split(step)]
        data = b"".join(encode(command) for command in commands)
        replies = []
        # Not all in one piece, wherever that falls.
        cut = zlib.crc32(data) % len(data)
        for connection in pair:
            connection.send(data[:cut])
            connection.send(data[cut:])
        for connection in pair:
            try:
                replies.append([connection.read() for _ in commands])
            except (OSError, Failure) as error:
                raise Mismatch(steps[-1], f"{connection.address}: {error!r}", ()) from error
        self.slack_s = max(self.slack_s, 2 * (time.monotonic() - began))
        replies = iter(zip(*replies))
        for step in steps:
            for left, right in [next(replies) for _ in split(step)]:
                self._check(step, left, right)
            if step.rule == "sleep" and not left.is_error:
                time.sleep(0.08)

    def _check(self, step, left, right):
        rule = "exact" if step.rule in ("sleep", "sequence", "dbsize") else step.rule
        try:
            wrong = compare(rule, left, right, self.slack_s)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            wrong = f"a reply cannot be read: {error!r}"
        if wrong:
            raise Mismatch(step, wrong, (left, right))

    def _collect(self, step, pair):
        """A whole SCAN, of which DBSIZE is the count: Redis counts what has expired until someone looks."""
        options = step.arguments[2:] if step.rule == "scan" else []
        found = [scan(connection, options) for connection in pair]
        if found[0] != found[1]:
            raise Mismatch(step, "not the same keys", found)
        if step.rule == "dbsize":
            self._check(step, *(connection.call(*step.arguments) for connection in pair))


def scan(connection, options):
    cursor, found = b"0", set()
    for _ in range(100_000):
        reply = connection.call("SCAN", cursor, *options)
        if reply.is_error:
            return reply.raw
        cursor = reply.value[0].value
        found.update(key.value for key in reply.value[1].value)
        if cursor == b"0":
            return found
    raise Failure(f"{connection.address}: SCAN does not end")


def split(step):
    if step.rule != "sequence":
        return [step.arguments]
    at = step.arguments.index(b"|")
    return [step.arguments[:at], step.arguments[at + 1 :]]


class Round:
    """Some hundred steps that begin with nothing, drawn from a seed of their own."""

    def __init__(self, servers, seed, number, in_cluster, count=ROUND):
        self.servers = servers
        rng = random.Random(f"{seed}/{number}")
        self.version = rng.choice((2, 3))
        commands = Commands(rng, int(time.time()), in_cluster)
        self.batches = []
        while count > 0:
            alone = ("scan", "dbsize", "sleep")
            if rng.random() < 0.05:
                batch = commands.additions()
                self.batches.append((rng.randrange(3), batch))
                count -= len(batch)
                continue
            batch = [commands.step()]
            for _ in range(rng.choice((0, 0, rng.randint(1, 20)))):
                step = commands.step()
                if batch[0].rule not in alone and step.rule not in alone:
                    batch.append(step)
            self.batches.append((rng.randrange(3), batch))
            count -= len(batch)
        self.count = sum(len(batch) for _, batch in self.batches)

    def run(self):
        self._play(self.batches)

    def _play(self, batches):
        pair = Pair(*self.servers, self.version)
        try:
            pair.clear()
            for index, batch in batches:
                pair.run(batch, index)
        finally:
            pair.close()

    def shrink(self, mismatch):
        """The shortest history found that, step by step, still ends in the mismatch; None: it does not replay."""
        steps = []
        for index, batch in self.batches:
            for step in batch:
                steps.append((index, [step]))
                if step is mismatch.step:
                    break
            else:
                continue
            break
        deadline = time.monotonic() + SHRINK_LIMIT_S
        last = self._outcome(steps)
        if last is None:
            return None
        size = max(len(steps) // 2, 1)
        while time.monotonic() < deadline:
            start, before = 0, len(steps)
            while start < len(steps) - 1 and time.monotonic() < deadline:
                shorter = steps[:start] + steps[min(start + size, len(steps) - 1) :]
                outcome = self._outcome(shorter)
                if outcome is not None and outcome.step is mismatch.step:
                    steps, last = shorter, outcome
                else:
                    start += size
            if size == 1 and len(steps) == before:
                break
            size = max(size // 2, 1)
        return [batch[0] for _, batch in steps], last

    def _outcome(self, batches):
        try:
            self._play(batches)
        except Mismatch as mismatch:
            return mismatch
        return None


def report(seed, number, mismatch, round_):
    print(f"MISMATCH: {mismatch.wrong}\n  {mismatch.step}")
    shrunk = round_.shrink(mismatch)
    if shrunk:
        history, mismatch = shrunk
        print(f"Commands that lead there ({len(history)}, RESP{round_.version}):")
        for step in history:
            print(f"  {step}")
    else:
        print("It does not come again step by step: a pipeline or the time matters.")
    for name, reply in zip(("redis", "other"), mismatch.replies):
        print(f"  {name}: {reply}")
    print(f"Replay: --seed {seed} --round {number}")


def is_cluster(address):
    connection = Connection(address)
    text = connection.call("INFO", "cluster").text()
    connection.close()
    return "cluster_enabled:1" in text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, which is printed")
    parser.add_argument("--count", type=int, default=5000, help="commands; default 5000")
    parser.add_argument("--round", type=int, default=None, help="only this round of the seed's")
    parser.add_argument("reference")
    parser.add_argument("others")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    reference = parse_address(options.reference)
    others = [parse_address(text) for text in options.others.split(",")]
    in_cluster = is_cluster(reference)
    done, number = 0, options.round or 0
    began = time.monotonic()
    while done < options.count:
        round_ = Round((reference, others), seed, number, in_cluster)
        try:
            round_.run()
            wrong = strange.run(random.Random(f"{seed}/{number}/strange"), reference, others[number % len(others)])
        except Mismatch as mismatch:
            report(seed, number, mismatch, round_)
            return 1
        if wrong:
            print(f"MISMATCH: {wrong}\nReplay: --seed {seed} --round {number}")
            return 1
        done += round_.count
        number += 1
        if options.round is not None:
            break
    print(f"seed {seed}: {done} commands, the same replies ({time.monotonic() - began:.1f} s)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError) as error:
        print(f"differential.py: {error!r}")
        sys.exit(1)
