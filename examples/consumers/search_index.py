"""A search index that is always up to date: full text over the whole catalog, in one SQLite file.

    python search_index.py keep              keeps search.db equal to the catalog
    python search_index.py find "card pay*"  looks for words

The index and the position in the stream are written in one transaction, so that no crash makes them differ.
"""

import os
import sqlite3
import sys

from callboard.client import Applied, CatalogClient, Entity, Replica, SQLiteStore

FILE = os.environ.get("SEARCH_DB", "search.db")
SERVER = os.environ.get("CALLBOARD_SERVER", "http://127.0.0.1:7007")


def words(entity: Entity) -> tuple[str, str, str]:
    """What an entity is found by: its name, what it is about, and its tags."""
    metadata = entity["metadata"]
    name = f"{metadata['name']} {metadata.get('title', '')}"
    return name, metadata.get("description", ""), " ".join(metadata.get("tags", []))


def index(tx: sqlite3.Connection, applied: Applied) -> None:
    """Bring the index to where the copy is."""
    tx.execute("create virtual table if not exists search using fts5 (ref unindexed, name, about, tags)")
    gone = [*applied.removed, *(event.ref for event in applied.put)]
    tx.executemany("delete from search where ref = ?", [(ref,) for ref in gone])
    found = [(event.ref, *words(event.entity)) for event in applied.put if event.entity is not None]
    tx.executemany("insert into search values (?, ?, ?, ?)", found)


def keep() -> None:
    """Follow the catalog for ever."""
    with CatalogClient(SERVER) as catalog, SQLiteStore(FILE, also=index) as store:
        for applied in Replica(catalog, store, lease=10).follow():
            print(f"offset {applied.position.offset}: {len(applied.put)} put, {len(applied.removed)} gone", flush=True)


def find(query: str) -> None:
    """Print what has these words, the best first."""
    reading = sqlite3.connect(FILE)
    statement = "select ref, about from search where search match ? order by rank limit 10"
    for ref, about in reading.execute(statement, [query]):
        print(ref, about)
    reading.close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keep"]:
            keep()
        case ["find", query]:
            find(query)
        case _:
            sys.exit(__doc__)
