"""Functions of the operating system for starting and watching processes."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_INSIDE_UID = 1000
_SERVER_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a free loopback port below the range that the kernel uses for outgoing connections."""
    for port in random.sample(_SERVER_PORTS, len(_SERVER_PORTS)):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("every port is taken")


def write_secret(path: Path, content: str) -> None:
    """Write a file atomically, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
    fresh.replace(path)


def die_with_parent(number: int) -> None:
    """Make the kernel send this signal to the calling process when its parent dies (Linux); it may arrive repeatedly."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def enter_user_namespace() -> None:
    """Become an ordinary user in a new user namespace, as PostgreSQL requires. For a forked child of root."""
    if _LIBC.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INSIDE_UID} 0 1"),
        ("gid_map", f"{_INSIDE_UID} 0 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def namespaces_work() -> bool:
    try:
        return subprocess.run(["/bin/true"], preexec_fn=enter_user_namespace, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def holders(directory: Path) -> Iterator[int]:
    """Yield the processes with this working directory: servers keep their data directory as working directory."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink() == directory:
                yield int(entry.name)


def become_ordinary() -> None:
    """Become an ordinary user and end with the parent. For a forked child of root."""
    enter_user_namespace()
    die_with_parent(signal.SIGINT)
