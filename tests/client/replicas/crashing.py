"""Stores that die at a given statement, as a process that is killed does: nothing is rolled back in order."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from callboard.client.replicas import AsyncCallbacks, AsyncStore, Callbacks, Changes, SQLiteStore, Store
from callboard.client.replicas.alchemy import AsyncSQLAlchemyStore, SQLAlchemyStore
from callboard.client.replicas.folder import FolderStore
from callboard.client.replicas.postgresql import PostgreSQLStore
from callboard.model import json
from callboard.model.documents import parse_documents

Contents = dict[str, object]


class Crash(BaseException):
    """The process is dead."""


@dataclass(slots=True)
class Fuse:
    """Lets so many statements pass, and none after these; all of them if there is no number."""

    left: int | None = None

    def burn(self) -> None:
        if self.left is None:
            return
        if self.left <= 0:
            raise Crash
        self.left -= 1


class Copy(Protocol):
    """Somewhere a copy can be, over many lives of its consumer."""

    async def open(self, fuse: Fuse) -> AsyncStore | Store:
        """A store for one life of a consumer."""
        ...

    async def end(self) -> None:
        """That life is over."""
        ...

    async def contents(self) -> Contents:
        """What others can read there."""
        ...


class _Connection(sqlite3.Connection):
    """A connection to SQLite that can burn through."""

    fuse = Fuse()

    def execute(self, *args: Any, **kwargs: Any) -> sqlite3.Cursor:
        self.fuse.burn()
        return super().execute(*args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> sqlite3.Cursor:
        self.fuse.burn()
        return super().executemany(*args, **kwargs)

    def commit(self) -> None:
        self.fuse.burn()
        super().commit()

    def rollback(self) -> None:
        self.fuse.burn()
        super().rollback()


class CrashingSQLiteStore(SQLiteStore):
    """A store on such a connection."""

    fuse = Fuse()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, factory=_Connection)
        connection.fuse = self.fuse
        return connection


class InSQLite:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "copy.db"
        self._store: SQLiteStore | None = None

    async def open(self, fuse: Fuse) -> Store:
        store = CrashingSQLiteStore(self.file)
        store.fuse = fuse
        self._store = store
        return store

    async def end(self) -> None:
        if self._store is not None:
            self._store.close()

    async def contents(self) -> Contents:
        return read_sqlite(self.file)


def read_sqlite(file: Path, table: str = "entities") -> Contents:
    """What a copy in SQLite has; nothing if there is none yet."""
    if not file.exists():
        return {}
    reading = sqlite3.connect(file)
    try:
        return {ref: json.decode(entity) for ref, entity in reading.execute(f"select ref, entity from {table}")}
    finally:
        reading.close()


class _Frail:
    """A connection to PostgreSQL that can burn through."""

    def __init__(self, connection: Any, fuse: Fuse) -> None:
        self._connection = connection
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("fetch", "fetchrow", "execute", "executemany"):
            return found

        async def burning(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn()
            return await found(*args, **kwargs)

        return burning

    def transaction(self) -> "_Frail":
        return self

    async def __aenter__(self) -> None:
        self._fuse.burn()
        await self._connection.execute("begin")

    async def __aexit__(self, *error: object) -> None:
        self._fuse.burn()
        await self._connection.execute("commit" if error[0] is None else "rollback")


class CrashingPostgreSQLStore(PostgreSQLStore):
    """A store on such a connection."""

    fuse = Fuse()

    async def _connect(self) -> Any:
        return _Frail(await super()._connect(), self.fuse)


class InPostgreSQL:
    """A database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store: CrashingPostgreSQLStore | None = None

    async def open(self, fuse: Fuse) -> AsyncStore:
        self._store = CrashingPostgreSQLStore(self.url, table="copied_entities")
        self._store.fuse = fuse
        return self._store

    async def end(self) -> None:
        if self._store is not None and self._store._opened is not None:
            self._store._opened.terminate()

    async def contents(self) -> Contents:
        connection = await asyncpg.connect(self.url)
        try:
            if await connection.fetchval("select to_regclass('copied_entities')") is None:
                return {}
            rows = await connection.fetch("select ref, entity from copied_entities")
        finally:
            await connection.close()
        return {row["ref"]: json.decode(row["entity"]) for row in rows}


def burning(engine: sa.Engine, fuse: Fuse) -> None:
    """Let an engine burn through."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def before(*_: object) -> None:
        fuse.burn()

    @sa.event.listens_for(engine, "commit")
    def before_commit(*_: object) -> None:
        fuse.burn()


class InSQLAlchemy:
    """A file, through SQLAlchemy."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "alchemy.db"
        self._engine: sa.Engine | None = None

    async def open(self, fuse: Fuse) -> Store:
        self._engine = sa.create_engine(f"sqlite:///{self.file}", poolclass=NullPool)
        burning(self._engine, fuse)
        return SQLAlchemyStore(self._engine)

    async def end(self) -> None:
        if self._engine is not None:
            self._engine.dispose()

    async def contents(self) -> Contents:
        return (
            read_sqlite(self.file)
            if sa.inspect(sa.create_engine(f"sqlite:///{self.file}")).has_table("entities")
            else {}
        )


class InAsyncSQLAlchemy:
    """A database, through SQLAlchemy."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql://", "postgresql+asyncpg://")
        self._engine: AsyncEngine | None = None

    async def open(self, fuse: Fuse) -> AsyncStore:
        self._engine = create_async_engine(self.url, poolclass=NullPool)
        burning(self._engine.sync_engine, fuse)
        return AsyncSQLAlchemyStore(self._engine, table="alchemy_entities")

    async def end(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()

    async def contents(self) -> Contents:
        engine = create_async_engine(self.url, poolclass=NullPool)
        async with engine.connect() as connection:
            if not await connection.run_sync(lambda tx: sa.inspect(tx).has_table("alchemy_entities")):
                return {}
            found = await connection.execute(sa.text("select ref, entity from alchemy_entities"))
            rows = found.all()
        await engine.dispose()
        return {row.ref: row.entity for row in rows}


@dataclass(slots=True)
class InFunctions:
    """Whatever survives in the hands of functions: a place for each entity, and one for the position."""

    kept: Contents = field(default_factory=dict)
    position: str | None = None

    def change(self, changes: Changes, fuse: Fuse) -> None:
        for event in changes.put:
            fuse.burn()
            self.kept[event.ref] = event.entity
        for ref in changes.removed:
            fuse.burn()
            self.kept.pop(ref, None)
        fuse.burn()
        self.position = changes.position

    async def open(self, fuse: Fuse) -> AsyncStore | Store:
        def apply(changes: Changes) -> None:
            self.change(changes, fuse)

        return Callbacks(apply=apply, load=lambda: self.position, refs=lambda: list(self.kept))

    async def end(self) -> None:
        return None

    async def contents(self) -> Contents:
        return dict(self.kept)


class InAsyncFunctions(InFunctions):
    """The same for functions that are awaited."""

    async def open(self, fuse: Fuse) -> AsyncStore:
        async def apply(changes: Changes) -> None:
            self.change(changes, fuse)

        async def load() -> str | None:
            return self.position

        async def refs() -> Iterable[str]:
            return list(self.kept)

        return AsyncCallbacks(apply=apply, load=load, refs=refs)


class CrashingFolderStore(FolderStore):
    """A store that dies between two files."""

    fuse = Fuse()

    def path_of(self, ref: str) -> Path:
        self.fuse.burn()
        return super().path_of(ref)


class InFolder:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mirror"
        self._store: FolderStore | None = None

    async def open(self, fuse: Fuse) -> Store:
        store = CrashingFolderStore(self.folder)
        store.fuse = fuse
        self._store = store
        return store

    async def end(self) -> None:
        if self._store is not None:
            self._store.close()

    async def contents(self) -> Contents:
        return read_folder(self.folder)


def read_folder(folder: Path) -> Contents:
    """What a copy in a folder has, by the names of its files."""
    files = folder.glob("[!.]*/*/*")
    return {
        f"{file.parent.parent.name}:{file.parent.name}/{file.stem}": parse_documents(file.read_bytes())[0].value
        for file in files
    }
