"""Small catalogs for the tests of the view."""

import datetime as dt
import json
import uuid
from collections.abc import Iterable

from callboard.model.changes import Change, ChangeType
from callboard.model.json import JsonObject, JsonValue, encode
from callboard.view.views import View

WHEN = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def entity(name: str, kind: str = "Component", /, **parts: JsonValue) -> JsonObject:
    """An entity; *parts* are keys of its metadata, except `spec`, `relations` and `status`."""
    outside: JsonObject = {key: parts.pop(key) for key in ("spec", "relations", "status") if key in parts}
    uid = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}/{name}"))
    return {"kind": kind, "metadata": {"namespace": "default", "name": name, "uid": uid, **parts}, **outside}


def ref_of(entity: JsonObject) -> str:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return f"{entity['kind']}:{metadata['namespace']}/{metadata['name']}".lower()


def uid_of(entity: JsonObject) -> str:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])


def row(entity: JsonObject) -> tuple[str, str, bytes]:
    return uid_of(entity), ref_of(entity), encode(entity)


def view_of(*entities: JsonObject) -> View:
    view = View()
    view.load([row(entity) for entity in entities], offset=10, epoch="e1")
    return view


def upserted(offset: int, entity: JsonObject, type: ChangeType = ChangeType.UPDATED) -> Change:  # noqa: A002
    uid, ref, body = row(entity)
    return Change(offset=offset, type=type, ref=ref, uid=uid, body=body, at=WHEN)


def removed(offset: int, entity: JsonObject) -> Change:
    return Change(offset=offset, type=ChangeType.REMOVED, ref=ref_of(entity), uid=uid_of(entity), body=None, at=WHEN)


def names(bodies: Iterable[bytes | None]) -> list[str | None]:
    """The names of the entities with these bodies."""
    return [None if body is None else json.loads(body)["metadata"]["name"] for body in bodies]
