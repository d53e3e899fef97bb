#!/usr/bin/env python3
"""Runs the commands that the documents show, against fresh nodes, and compares what they print.

A block of a document that is fenced as `console` or `sh` is a session. A comment before it says what it needs:

    <!-- session: one node -->              fresh nodes, in an empty directory
    <!-- session: three nodes -->           as examples/three-nodes has them; in `three nodes and n4` a fourth one waits
    <!-- session: goes on -->               the nodes and the directory of the session before it in the document
    <!-- session: not run, because ... -->  it cannot be run here; why

Every session has such a comment, so that none is left out by mistake. In a `console` block a line that begins with `$ `
is a command, and the lines after it are what it prints, standard error included. Nothing after a command means that
what it prints is not compared. In them `...` stands for any text, and a line of `...` for any number of lines. In an
`sh` block every line is a command. A command has to end with 0.

What differs from run to run, and is used later, is declared: after `; learns 12.1.345`, that text stands for whatever
is printed in its place the first time, also in commands that come later.

The documents' nodes are 127.0.0.1:7401 to 7404 (peers: 7501 to 7504), and their file is
examples/three-nodes/cluster.yaml. Here they have free ports and a file of their own; commands and their output are
translated. `kv` is the executable that is tested.
"""

import argparse
import contextlib
import os
import re
import select
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "Benchmarks"))

from kvbench import Trouble, servers  # noqa: E402

DOCUMENTS = ("README.md", "docs", "examples")
# So long a command may take.
SECONDS = 60
# More than that a command does not print.
MOST_OUTPUT = 1 << 20
FILE = "examples/three-nodes/cluster.yaml"
KINDS = {"one node": 1, "three nodes": 3, "three nodes and n4": 3}
MARK = re.compile(r"<!-- session: (.*?) -->$")


class Mistake(Exception):
    """A document that is not as it has to be, or not true."""


class Session:
    """A block: where it is, what it needs, and its commands with the lines that each is to print."""

    def __init__(self, place, needs, learns, commands):
        self.place, self.needs, self.learns, self.commands = place, needs, learns, commands


def sessions(path, text):
    """The sessions of a document, in order. Raises `Mistake` where one has no mark, or a mark has no session."""
    found, mark, fence = [], None, None
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{path}:{number}"
        if fence is not None:
            if line == "```":
                if fence[0] in ("console", "sh"):
                    found.append(session(fence[1], mark, fence[0], fence[2]))
                    mark = None
                fence = None
            else:
                fence[2].append((number, line))
            continue
        if line.startswith("```"):
            fence = (line[3:], place, [])
            if fence[0] in ("console", "sh") and mark is None:
                raise Mistake(f"{place}: no comment says what this session needs: <!-- session: ... -->")
        elif match := MARK.match(line):
            mark = match[1]
        elif line and mark is not None:
            raise Mistake(f"{place}: the comment before this line is of no session")
    return found


def session(place, mark, fence, lines):
    needs, _, learned = mark.partition("; learns ")
    if needs not in KINDS and needs != "goes on" and not re.match(r"not run, because \S", needs):
        raise Mistake(f"{place}: '{needs}' is none of {', '.join(KINDS)}, goes on, and not run, because ...")
    commands = []
    for number, line in lines:
        if commands and commands[-1][1].endswith("\\") and not commands[-1][2]:
            commands[-1][1] += "\n" + line
        elif fence == "sh":
            if line.strip():
                commands.append([number, line, []])
        elif line.startswith("$ "):
            commands.append([number, line[2:], []])
        elif commands:
            commands[-1][2].append(line)
        else:
            raise Mistake(f"{place}: the session begins with no command")
    return Session(place, needs, learned.split(", ") if learned else [], commands)


class Lexicon:
    """Translates between a document and the nodes that run."""

    def __init__(self, pairs):
        """`pairs`: texts of the document, and what they are here."""
        self.pairs = dict(pairs)

    def here(self, text):
        return replaced(text, self.pairs)

    def document(self, text):
        return replaced(text, {here: there for there, here in self.pairs.items()})

    def learn(self, text, here):
        self.pairs[text] = here


def replaced(text, pairs):
    """All at once, so that nothing is replaced twice; the longest first."""
    if not pairs:
        return text
    words = sorted(pairs, key=len, reverse=True)
    return re.sub("|".join(r"(?<!\d)" + re.escape(word) + r"(?!\d)" for word in words), lambda m: pairs[m[0]], text)


def pattern(expected, unknown):
    """The pattern of lines that are to be printed. `unknown`: texts that stand for what is not known yet; each is a
    group, named by its place among them."""
    parts = []
    named = set()
    for line in expected:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        text = ""
        for piece in re.split("(" + "|".join([r"\.\.\."] + [re.escape(word) for word in unknown]) + ")", line):
            if piece == "...":
                text += ".*"
            elif piece in unknown:
                name = f"g{unknown.index(piece)}"
                text += f"(?P={name})" if name in named else rf'(?P<{name}>[^\s"]+)'
                named.add(name)
            else:
                text += re.escape(piece)
        parts.append(text + r"\n")
    return re.compile("".join(parts))


def compare(expected, printed, lexicon, learns):
    """Learns what is new; None where the printed text is as expected, otherwise what to say."""
    lines = [line.rstrip() for line in lexicon.document(printed).split("\n")]
    text = "\n".join(lines).rstrip("\n") + "\n"
    unknown = [word for word in learns if word not in lexicon.pairs]
    wanted = "\n".join(line.rstrip() for line in expected).rstrip("\n").split("\n")
    match = pattern(wanted, unknown).fullmatch(text)
    if not match:
        return "is to print\n" + "".join(f"    {line}\n" for line in expected) + "and prints\n" + "".join(
            f"    {line}\n" for line in text.rstrip("\n").split("\n"))
    for name, value in match.groupdict().items():
        lexicon.learn(unknown[int(name[1:])], value)
    return None


class Shell:
    """A shell that keeps its variables from one command to the next."""

    END = "\x01"

    def __init__(self, directory, environment):
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=directory, env=environment, process_group=0)

    def run(self, command):
        """What the command prints, and its exit code."""
        # The end of the group is a line of its own, after a comment at the command's end.
        script = f"{{ {command}\n}} </dev/null\nprintf '{self.END}%d{self.END}' $?\n"
        self.process.stdin.write(script.encode())
        self.process.stdin.flush()
        printed, end = b"", time.monotonic() + SECONDS
        done = re.compile(f"{self.END}(\\d+){self.END}$".encode())
        while not (match := done.search(printed)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise Mistake(f"it takes longer than {SECONDS} s")
            piece = os.read(self.process.stdout.fileno(), 65536)
            printed += piece
            if not piece or len(printed) > MOST_OUTPUT:
                raise Mistake("it ends the shell" if not piece else "it prints too much")
        return printed[:match.start()].decode(errors="replace"), int(match[1])

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        servers.kill(self.process)
        self.process.stdout.close()


class Nodes(servers.Kv):
    """The nodes of one session, and of those that go on with it."""

    def __init__(self, kind, executable, data):
        super().__init__(executable, data, KINDS[kind], spares=1 if kind.endswith("n4") else 0)
        self.shell = None

    def run(self):
        super().run()
        for id in self.spares:
            self.start_node(id)
        if self.spares:
            servers.wait_for("a node that waits", lambda: self.spares[0] in str(self.get("n1", "/v1/nodes")))
        work = os.path.join(self.directory, "work")
        os.makedirs(os.path.join(work, "bin"))
        os.symlink(self.executable, os.path.join(work, "bin", "kv"))
        # Without a terminal curl tells of its progress otherwise.
        with open(os.path.join(work, ".curlrc"), "w") as settings:
            settings.write("silent\nshow-error\n")
        # Nothing that the user has configured counts.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KV_")}
        self.shell = Shell(work, {
            **kept, "CURL_HOME": work, "PATH": f"{work}/bin:{os.environ['PATH']}",
            "KV_ENDPOINT": f"127.0.0.1:{self.client['n1']}"})

    def __exit__(self, *_):
        if self.shell:
            self.shell.close()
        super().__exit__()

    def lexicon(self):
        pairs = {FILE: f"{self.directory}/cluster.yaml"}
        for place, id in enumerate(self.ids + self.spares, 1):
            pairs[f"740{place}"] = str(self.client[id])
            pairs[f"750{place}"] = str(self.peer[id])
        return Lexicon(pairs)


def run(session, nodes, lexicon):
    """The number of commands. Raises `Mistake` where one does not do what the document says."""
    for number, command, expected in session.commands:
        place = f"{session.place.rpartition(':')[0]}:{number}"
        try:
            printed, code = nodes.shell.run(lexicon.here(command))
        except Mistake as mistake:
            raise Mistake(f"{place}: {command}\n{mistake}") from mistake
        if code != 0:
            raise Mistake(f"{place}: {command}\nends with {code}. It prints\n{printed}")
        if expected and (wrong := compare(expected, printed, lexicon, session.learns)):
            raise Mistake(f"{place}: {command}\n{wrong}")
    return len(session.commands)


def check(path, executable, data):
    """Runs a document's sessions; the number of commands, and what is wrong."""
    with open(os.path.join(ROOT, path)) as file:
        try:
            found = sessions(path, file.read())
        except Mistake as mistake:
            return 0, [str(mistake)]
    count, wrong = 0, []
    # The nodes live until a session needs others.
    with contextlib.ExitStack() as stack:
        nodes = lexicon = None
        for session in found:
            if session.needs.startswith("not run"):
                continue
            if session.needs in KINDS:
                stack.close()
                nodes = stack.enter_context(Nodes(session.needs, executable, data))
                lexicon = nodes.lexicon()
            if nodes is None:
                wrong.append(f"{session.place}: there is no session before it to go on with")
                continue
            try:
                count += run(session, nodes, lexicon)
            except Mistake as mistake:
                wrong.append(str(mistake))
    return count, wrong


def documents():
    for place in DOCUMENTS:
        path = os.path.join(ROOT, place)
        if os.path.isfile(path):
            yield place
        for directory, _, names in os.walk(path):
            for name in sorted(names):
                if name.endswith(".md"):
                    yield os.path.relpath(os.path.join(directory, name), ROOT)


def main():
    parser = argparse.ArgumentParser(description="Runs the commands that the documents show, against fresh nodes.")
    parser.add_argument("--kv", required=True, type=os.path.abspath, metavar="FILE", help="the executable")
    parser.add_argument("--data", default="/var/tmp", metavar="DIRECTORY", help="where nodes keep their data")
    parser.add_argument("documents", nargs="*", help="which, from the top of the repository (default: all)")
    options = parser.parse_args()
    total, failures = 0, []
    for path in options.documents or documents():
        count, wrong = check(path, options.kv, options.data)
        if count or wrong:
            print(f"{path}: {count} commands" + (f", {len(wrong)} sessions are wrong" if wrong else ""), flush=True)
        total += count
        failures += wrong
    for failure in failures:
        print("\n" + failure.rstrip("\n"))
    print(f"\ndocs-test: {total} commands, {len(failures)} sessions are wrong")
    return 1 if failures or not total else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(f"docs-test: {trouble}")
