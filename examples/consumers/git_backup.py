"""A backup of the catalog in git: a file for each entity, a commit for each change, and why it was made.

    python git_backup.py backup/

`git log -p component/default/cashier.yaml` is the history of an entity then, and a checkout the catalog of any day.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from callboard.client import Applied, CatalogClient, Event, Replica
from callboard.client.replicas.folder import FolderStore

SERVER = os.environ.get("CALLBOARD_SERVER", "http://127.0.0.1:7007")
MANY = 10


def git(folder: Path, *arguments: str) -> str:
    """What git says in the folder."""
    command = ["git", "-C", str(folder), "-c", "user.name=catalog", "-c", "user.email=catalog@localhost", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, message: str) -> None:
    """Keep what is there, if it is another thing than before."""
    git(folder, "add", "--all")
    if git(folder, "status", "--porcelain"):
        git(folder, "commit", "--quiet", "--message", message)
        print(message.splitlines()[0], flush=True)


def message(applied: Applied) -> str:
    """What has happened, in a line; then each change and its cause."""
    offset = applied.position.offset
    if len(applied.events) > MANY:
        kinds = Counter(event.ref.partition(":")[0] for event in applied.events)
        return f"{len(applied.events)} changes up to {offset}\n\n" + "\n".join(
            f"{kinds[kind]} × {kind}" for kind in kinds
        )
    lines = [line(event) for event in applied.events] or [f"{ref} gone" for ref in applied.removed]
    title = lines[0] if len(lines) == 1 else f"{len(lines)} changes up to {offset}"
    return "\n".join([title, "", *lines])


def line(event: Event) -> str:
    """A change and its cause."""
    cause = event.cause
    why = [cause.because, cause.by and f"by {cause.by}", cause.source and f"from {cause.source}"] if cause else []
    return f"{event.ref} {event.type} ({' '.join(word for word in why if word) or 'unknown'})"


def keep(folder: Path) -> None:
    """Follow the catalog for ever."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text(".callboard-mirror*\n")
    # What was stored when the process was killed before the commit.
    commit(folder, "What has happened before the backup went on")
    with CatalogClient(SERVER) as catalog, FolderStore(folder) as store:
        for applied in Replica(catalog, store).follow():
            commit(folder, message(applied))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    keep(Path(sys.argv[1]))
