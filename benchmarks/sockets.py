"""Sockets of this machine: who listens on a port, and whom processes talk to, as Linux tells."""

import contextlib
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes

_PROC = Path("/proc")
_TABLES = ("tcp", "tcp6")
_LISTENS = "0A"
_MAPPED = "0000000000000000FFFF0000"
_INODE = re.compile(r"socket:\[(\d+)\]")

# sock_diag(7)
_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_EVERY_STATE = 0xFFFFFFFF
_SHOW_PEER = 4
_PEER = 2
_HEADER = struct.Struct("=IHHII")
_ASKED = struct.Struct("=BBHIIIII")
_ANSWER = struct.Struct("=BBBBIII")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class _Tcp:
    """A line of `/proc/net/tcp`. The ends are as the kernel writes them."""

    here: str
    there: str
    state: str
    inode: int

    @property
    def port(self) -> int:
        return int(self.here.rpartition(":")[2], 16)


def roots_of(port: int) -> list[int]:
    """The processes that listen on *port*, without those that another of them has started."""
    inodes = {each.inode for each in _tcp() if each.state == _LISTENS and each.port == port}
    owners = [pid for pid, owned in _owned().items() if owned & inodes]
    started = {child for pid in owners for child in processes.below(pid)}
    return sorted(set(owners) - started)


def databases_of(pids: Iterable[int]) -> list[int]:
    """The PostgreSQL servers of this machine that these processes are connected to, by TCP or by a unix socket."""
    owned = _owned()
    ours = {inode for pid in pids for inode in owned.get(pid, ())}
    theirs = {other for inode, other in [*_tcp_pairs(), *_unix_pairs()] if inode in ours}
    partners = [pid for pid, inodes in owned.items() if inodes & theirs]
    return sorted({root for pid in partners if (root := processes.parent_of(pid, named="postgres"))})


def _owned() -> dict[int, set[int]]:
    """The inodes of the sockets that each process has open."""
    found: dict[int, set[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            # It may end meanwhile, or be another user's.
            with contextlib.suppress(OSError):
                links = [str(link.readlink()) for link in (entry / "fd").iterdir()]
                found[int(entry.name)] = {int(match[1]) for link in links if (match := _INODE.fullmatch(link))}
    return found


def _tcp() -> Iterator[_Tcp]:
    for table in _TABLES:
        with contextlib.suppress(FileNotFoundError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                # A server of both families shows its connections under IPv6, the other end shows them under IPv4.
                here, there = (field.removeprefix(_MAPPED) for field in fields[1:3])
                yield _Tcp(here, there, fields[3], int(fields[9]))


def _tcp_pairs() -> Iterator[tuple[int, int]]:
    """The inodes of both ends of each TCP connection within this machine."""
    connections = list(_tcp())
    by_ends = {(each.here, each.there): each.inode for each in connections}
    for each in connections:
        other = by_ends.get((each.there, each.here))
        if other is not None:
            yield each.inode, other


def _unix_pairs() -> Iterator[tuple[int, int]]:
    """The inodes of both ends of each connected unix socket; `/proc` does not say who belongs to whom."""
    asked = _ASKED.pack(socket.AF_UNIX, 0, 0, _EVERY_STATE, 0, _SHOW_PEER, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.send(_HEADER.pack(_HEADER.size + len(asked), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + asked)
        while True:
            answer = kernel.recv(1 << 20)
            start = 0
            while start < len(answer):
                length, kind, *_ = _HEADER.unpack_from(answer, start)
                if kind != _BY_FAMILY:
                    return
                yield from _peer_in(answer[start + _HEADER.size : start + length])
                start += length + -length % 4


def _peer_in(said: bytes) -> Iterator[tuple[int, int]]:
    inode: int = _ANSWER.unpack_from(said)[4]
    start = _ANSWER.size
    while start < len(said):
        length, kind = _ATTRIBUTE.unpack_from(said, start)
        if kind == _PEER:
            yield inode, struct.unpack_from("=I", said, start + _ATTRIBUTE.size)[0]
        start += length + -length % 4
