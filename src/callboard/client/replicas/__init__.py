"""Replicas: copies of the catalog that stay equal to it.

    with CatalogClient() as catalog, SQLiteStore("catalog.db") as store:
        Replica(catalog, store, filters={"kind": "component"}).run()

The core says step by step what is to be done, without I/O; two faces do it. A store keeps the copy and its position in
one transaction, under a token that is over as soon as another consumer has taken over.
"""

from callboard.client.replicas.awaiting import AsyncReplica
from callboard.client.replicas.batches import Applied, Batch
from callboard.client.replicas.blocking import Replica
from callboard.client.replicas.callbacks import AsyncCallbacks, Callbacks, Changes
from callboard.client.replicas.positions import Position, Stored
from callboard.client.replicas.sqlite import SQLiteStore
from callboard.client.replicas.stores import AsyncStore, Store

__all__ = [
    "Applied",
    "AsyncCallbacks",
    "AsyncReplica",
    "AsyncStore",
    "Batch",
    "Callbacks",
    "Changes",
    "Position",
    "Replica",
    "SQLiteStore",
    "Store",
    "Stored",
]
