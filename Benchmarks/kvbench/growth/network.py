"""A network of its own for the nodes of a row: all of its packets are theirs.

Linux gives one to a program that root starts by `unshare --net`, or, without root, by `unshare --user --map-root-user
--net` where the system lets users have namespaces.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys

from .. import BENCHMARKS, Trouble, interrupts, servers

COMMANDS = (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net"))
# A row that takes longer is held to hang.
ROW_SECONDS = 900
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 1


def command():
    """What a program is started by to be alone in a network; None where the system does not allow it."""
    for words in COMMANDS:
        try:
            done = subprocess.run([*words, "true"], capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return words
    return None


LACKING = (
    "packets are counted in a network of the row's own, which needs unshare (util-linux) and either root or user "
    "namespaces (sysctl kernel.unprivileged_userns_clone or kernel.apparmor_restrict_unprivileged_userns)")


def bring_up():
    """Loopback is down in a new network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, GET_FLAGS, name))[1]
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", flags | UP))


def sent(text=None):
    """Bytes and packets that have been sent over loopback since it is there. `text`: that of /proc/net/dev."""
    if text is None:
        with open("/proc/net/dev") as file:
            text = file.read()
    for line in text.splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            fields = counts.split()
            return int(fields[8]), int(fields[9])
    raise Trouble("/proc/net/dev has no loopback")


def measure(row, options, prefix):
    """What a row finds in a network of its own, which `prefix` makes: the row as `Found.as_json` has it."""
    wanted = {name: getattr(options, name) for name in ("kv", "data", "seconds")}
    with servers.Processes() as processes:
        with interrupts.held():
            process = subprocess.Popen(
                [*prefix, sys.executable, "-B", "-m", "kvbench.growth.isolated", row, json.dumps(wanted)],
                cwd=BENCHMARKS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, process_group=0)
            processes.processes[row] = process
        try:
            said, _ = process.communicate(timeout=ROW_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Trouble(f"{row}: it did not end within {ROW_SECONDS} s") from error
    if process.returncode != 0:
        raise Trouble(f"{row}: what measures it ended with {process.returncode}")
    return json.loads(said.splitlines()[-1])


