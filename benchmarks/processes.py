"""Processes of this machine: the CPU time and the memory that they have used, as Linux tells in `/proc`."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Stat:
    """What `/proc/<pid>/stat` says. Times are in seconds."""

    name: str
    parent: int
    reaped: float
    """The CPU time of children that have ended and were waited for, in steps of 10 ms."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds, in bytes."""

    resident: int
    shared_out: int
    """The same, with its part only of what several processes hold together."""


def clocks(pids: Iterable[int]) -> dict[int, float]:
    """The CPU seconds that each of these processes has used so far, with those of its threads."""
    return {pid: seconds for pid in pids if (seconds := _clock(pid)) is not None}


def used_between(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """The CPU seconds from one look at the clocks to the next; what ended between them is not counted."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU time that these processes have used so far, with that of their threads."""
    return sum(clocks(pids).values())


def tree_seconds(root: int | None) -> float:
    """The CPU time that *root* and all processes below it have used so far, with those that have ended."""
    if root is None:
        return 0.0
    pids = [root, *below(root)]
    return cpu_seconds(pids) + sum(stat.reaped for pid in pids if (stat := _stat(pid)))


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


def busy_seconds() -> float:
    """The CPU seconds that all processes of this machine have used since it was started."""
    with (_PROC / "stat").open() as file:
        user, nice, system, _idle, _waiting, interrupt, soft, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + interrupt + soft) / _TICKS


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


def memory(pid: int) -> Memory:
    """What the process holds now."""
    return Memory(*(_kib(pid, "smaps_rollup", key) * 1024 for key in ("Rss:", "Pss:")))


def _clock(pid: int) -> float | None:
    # What clock_getcpuclockid(3) makes of a process id. `/proc/<pid>/stat` says the same in steps of 10 ms, which is
    # as long as some of what is measured takes altogether; the kernel's clock counts nanoseconds.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


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
    return _Stat(text[start + 1 : end], int(fields[1]), (int(fields[13]) + int(fields[14])) / _TICKS)
