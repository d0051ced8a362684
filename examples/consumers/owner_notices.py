"""Tells owners when the definition of their API has changed, in a chat that takes incoming webhooks.

    WEBHOOK=https://chat.example/hooks/… python owner_notices.py

What is to be said is written down in the transaction that stores the change, and crossed out when the chat has taken
it. So no notice is lost; one may come twice when the process is killed in between.
"""

import difflib
import json
import os
import sqlite3
import urllib.request

from callboard.client import Applied, CatalogClient, Event, Replica, SQLiteStore

FILE = os.environ.get("NOTICES_DB", "notices.db")
SERVER = os.environ.get("CALLBOARD_SERVER", "http://127.0.0.1:7007")
WEBHOOK = os.environ["WEBHOOK"]

TABLES = """
create table if not exists definitions (ref text primary key, uid text, definition text);
create table if not exists notices (id integer primary key, text text);
"""


def note(tx: sqlite3.Connection, applied: Applied) -> None:
    """Compare each definition with the one before, and write down what is to be said."""
    for statement in TABLES.split(";"):
        tx.execute(statement)
    for event in applied.put:
        found = tx.execute("select uid, definition from definitions where ref = ?", [event.ref]).fetchone()
        after = definition(event)
        # An API that was removed and made anew is another one.
        if found is not None and found[0] == event.uid and found[1] != after:
            tx.execute("insert into notices (text) values (?)", [notice(event, found[1], after)])
        tx.execute("insert or replace into definitions values (?, ?, ?)", [event.ref, event.uid, after])
    gone = {*applied.removed} - {event.ref for event in applied.put}
    tx.executemany("delete from definitions where ref = ?", [(ref,) for ref in gone])


def definition(event: Event) -> str:
    """The definition in an API."""
    return str((event.entity or {}).get("spec", {}).get("definition", ""))


def notice(event: Event, before: str, after: str) -> str:
    """What its owner should know: who did what, and the lines that differ."""
    owner = (event.entity or {}).get("spec", {}).get("owner", "nobody")
    why = event.cause.because if event.cause and event.cause.because else "changed"
    by = f" by {event.cause.by}" if event.cause and event.cause.by else ""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1)
    return "\n".join([f"{owner}: the definition of {event.ref} is another one ({why}{by})", *lines])


def tell() -> None:
    """Say what has been written down."""
    notices = sqlite3.connect(FILE, timeout=30)
    for number, text in notices.execute("select id, text from notices order by id").fetchall():
        body = json.dumps({"text": text}).encode()
        request = urllib.request.Request(WEBHOOK, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20):
            print(text.splitlines()[0], flush=True)
        with notices:
            notices.execute("delete from notices where id = ?", [number])
    notices.close()


if __name__ == "__main__":
    with CatalogClient(SERVER) as catalog, SQLiteStore(FILE, table="apis", also=note) as store:
        for _ in Replica(catalog, store, filters={"kind": "api"}, lease=10).follow():
            tell()
