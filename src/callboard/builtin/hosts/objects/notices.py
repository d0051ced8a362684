"""Notices: what S3 tells of the files in its buckets, by itself, through SNS, or through EventBridge."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from callboard.builtin.hosts.looking import at, text_at
from callboard.extend import JsonObject, JsonValue
from callboard.model import json

_CREATED = ("ObjectCreated",)
_REMOVED = ("ObjectRemoved", "LifecycleExpiration")
_DEEPEST = 3
"""A notice may be in an envelope, and that one in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What has become of one file."""

    bucket: str
    key: str
    is_there: bool | None
    """None: a version of it was removed, which says nothing of the others."""
    sequencer: str = ""
    """Of two notices of one key the later one has the greater one; texts of one length compare as numbers do."""

    @property
    def order(self) -> tuple[int, str]:
        """What a later notice of the same key has more of."""
        text = self.sequencer.lstrip("0")
        return len(text), text


def parse(body: str) -> list[Notice]:
    """The notices in the *body* of a message; none, if it tells of something else that happens to buckets.

    Raises ValueError when it is nothing that S3, SNS or EventBridge would send.
    """
    return list(_notices(body, _DEEPEST))


def _notices(body: str, deepest: int) -> Iterator[Notice]:
    decoded = json.decode(body)
    told = decoded if isinstance(decoded, dict) else {}
    inner = told.get("Message")
    if told.get("Type") == "Notification" and isinstance(inner, str) and deepest > 1:
        yield from _notices(inner, deepest - 1)
    elif told.get("source") == "aws.s3":
        yield from _of_event_bridge(told)
    elif isinstance(records := told.get("Records"), list):
        for record in records:
            yield from _of_s3(record)
    elif told.get("Event") != "s3:TestEvent":
        raise ValueError("it is no event of S3")


def _of_s3(record: JsonValue) -> Iterator[Notice]:
    """Keys are encoded there as in a form."""
    name, told = text_at(record, "eventName"), at(record, "s3", "object")
    if name is None:
        raise ValueError("a record has no eventName")
    name = name.removeprefix("s3:")
    has_version = text_at(told, "versionId") is not None and not name.endswith("DeleteMarkerCreated")
    yield from _notice(
        text_at(record, "s3", "bucket", "name"),
        told,
        name,
        encoded=True,
        is_version=has_version and _is(name, _REMOVED),
    )


def _of_event_bridge(told: JsonObject) -> Iterator[Notice]:
    """Keys are plain there."""
    kind, detail = text_at(told, "detail-type"), at(told, "detail")
    names = {"Object Created": "ObjectCreated", "Object Deleted": "ObjectRemoved"}
    is_version = kind == "Object Deleted" and (
        text_at(detail, "deletion-type") != "Delete Marker Created"
        and text_at(detail, "object", "version-id") is not None
    )
    yield from _notice(
        text_at(detail, "bucket", "name"),
        at(detail, "object"),
        names.get(kind or "", ""),
        encoded=False,
        is_version=is_version,
    )


def _notice(bucket: str | None, told: JsonValue, name: str, *, encoded: bool, is_version: bool) -> Iterator[Notice]:
    if not _is(name, _CREATED) and not _is(name, _REMOVED):
        return
    key = text_at(told, "key")
    if bucket is None or key is None:
        raise ValueError("a record names no file of a bucket")
    yield Notice(
        bucket=bucket,
        key=unquote_plus(key) if encoded else key,
        is_there=None if is_version else _is(name, _CREATED),
        sequencer=text_at(told, "sequencer") or "",
    )


def _is(name: str, kinds: tuple[str, ...]) -> bool:
    return any(name == kind or name.startswith(f"{kind}:") for kind in kinds)
