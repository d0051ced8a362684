"""A launcher: `python _unprivileged.py UID GID REACH PROGRAM [ARGUMENT…]`, started by root, becomes PROGRAM as UID.

PostgreSQL refuses to run as root. REACH is `own` for the account's own rights, or `all` for the single capability to
pass closed folders, so that a data directory below /root works without opening a folder to everybody.

This file is run by its path and with no site packages: it imports the standard library only.
"""

import ctypes
import os
import sys
from typing import NoReturn

# From linux/prctl.h, linux/securebits.h and linux/capability.h.
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_CANNOT_RUN = 126
"""The exit code of a shell for a program that is there and can't be started."""


def main(arguments: list[str]) -> NoReturn:
    """Give up root for good, then turn into the program."""
    uid, gid, reach, *command = arguments
    try:
        become(int(uid), int(gid), reach_all=reach == "all")
        os.execv(command[0], command)  # noqa: S606 - the whole point
    except OSError as error:
        sys.stderr.write(f"Can't run {command[0]} as the account {uid}: {error}\n")
        sys.exit(_CANNOT_RUN)


def become(uid: int, gid: int, *, reach_all: bool) -> None:
    """Change to an account; with *reach_all*, keep CAP_DAC_OVERRIDE and nothing else, across exec too."""
    libc = ctypes.CDLL(None, use_errno=True)
    if reach_all:
        # Without this bit access(2) ignores the capabilities of an ordinary account, and PostgreSQL's programs ask
        # access(2) whether their siblings can be run. It also keeps the capabilities through setuid.
        _prctl(libc, _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if reach_all:
        _keep_only(libc, _CAP_DAC_OVERRIDE)
        _prctl(libc, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low = [1 << capability] * 3  # effective, permitted, inheritable; ambient needs the last two
    data = (ctypes.c_uint32 * 6)(*low, 0, 0, 0)
    _check(libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def _prctl(libc: ctypes.CDLL, option: int, *values: int) -> None:
    words = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(libc.prctl(option, *words), f"prctl {option}")


def _check(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv[1:])
