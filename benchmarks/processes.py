"""Processes of this machine: the CPU time and the memory that they have used, as Linux tells in `/proc`."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Stat:
    """What `/proc/<pid>/stat` says. Times are in seconds."""

    name: str
    parent: int
    own: float
    reaped: float
    """Of children that have ended and were waited for."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU time that these processes have used so far, with that of their threads."""
    return sum(stat.own for pid in pids if (stat := _stat(pid)))


def tree_seconds(root: int | None) -> float:
    """The CPU time that *root* and all processes below it have used so far, with those that have ended."""
    if root is None:
        return 0.0
    return sum(stat.own + stat.reaped for pid in [root, *below(root)] if (stat := _stat(pid)))


def below(root: int) -> list[int]:
    """All living descendants of *root*."""
    parents = {
        int(entry.name): stat.parent
        for entry in _PROC.iterdir()
        if entry.name.isdigit() and (stat := _stat(int(entry.name)))
    }
    found: list[int] = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def command_line(pid: int) -> list[str]:
    """The arguments of a process; none when it has ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def parent_of(pid: int, *, named: str) -> int | None:
    """The parent of the process *pid*, provided that there is one and that it has this name."""
    stat = _stat(pid)
    return stat.parent if stat is not None and stat.name == named else None


def peak_mib(pid: int) -> float:
    """The most memory that the process has held at once, in MiB."""
    return _kib(pid, "status", "VmHWM:") / 1024


def shared_out_mib(pids: Iterable[int]) -> float:
    """The memory that these processes hold now, in MiB: what several share is counted once."""
    return sum(_kib(pid, "smaps_rollup", "Pss:") for pid in pids) / 1024


def _kib(pid: int, file: str, key: str) -> int:
    try:
        lines = (_PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold anything.
    start, end = text.index("("), text.rindex(")")
    fields = text[end + 2 :].split()
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return _Stat(text[start + 1 : end], int(fields[1]), own / _TICKS, reaped / _TICKS)
