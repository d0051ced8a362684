"""Assembly: one final entity out of its parts. Pure."""

from collections.abc import Sequence

from callboard.model import json
from callboard.model.annotations import EDIT_URL, ORPHAN, VIEW_URL
from callboard.model.hashing import content_hash
from callboard.model.json import JsonObject, JsonValue
from callboard.store.entities import ToStitch
from callboard.store.publication import FinalEntity

CONFLICT = "callboard/conflict"
"""The type of the status item that names a claim which lost."""

_REJECTED_URL = "https://backstage.io/annotation-rejected-for-security-reasons"


def assemble(parts: ToStitch, relations: Sequence[tuple[str, str]]) -> FinalEntity | None:
    """The final entity, or None when it is published like this already."""
    entity = json.decode(parts.processed)
    assert isinstance(entity, dict)
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    _annotate(metadata, orphan=parts.source is None)
    entity["relations"] = [{"type": kind, "targetRef": target} for kind, target in relations]
    rivals = _rivals(parts.rivals)
    if items := [*_error_items(parts.errors), *_conflict_items(parts.source, rivals)]:
        entity["status"] = {"items": items}
    metadata["uid"] = parts.uid
    given_etag = metadata.pop("etag", None)
    fingerprint = content_hash([entity, given_etag])
    if fingerprint == parts.published_hash:
        return None
    metadata["etag"] = given_etag if isinstance(given_etag, str) else fingerprint.hex()[:40]
    return FinalEntity(
        ref=parts.ref,
        uid=parts.uid,
        body=json.encode({"metadata": metadata, **entity}).decode(),
        hash=fingerprint,
        cause=_cause(parts, rivals),
    )


def _annotate(metadata: JsonObject, *, orphan: bool) -> None:
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        for key in (VIEW_URL, EDIT_URL):
            url = annotations.get(key)
            # A browser would run it when somebody follows the link.
            if isinstance(url, str) and url.strip().lower().startswith("javascript:"):
                annotations[key] = _REJECTED_URL
    if orphan:
        metadata["annotations"] = {**(annotations if isinstance(annotations, dict) else {}), ORPHAN: "true"}


def _cause(parts: ToStitch, rivals: list[JsonObject]) -> str:
    """Who has the entity, and where, unless the reason knows who is behind it."""
    cause: JsonObject = {}
    if parts.source is not None:
        cause["source"] = parts.source
    if parts.location_key:
        cause["location"] = parts.location_key
    reason = json.decode(parts.because) if parts.because else {}
    assert isinstance(reason, dict)
    cause |= reason
    if rivals:
        cause["conflict"] = [*rivals]
    return json.encode(cause).decode()


def _rivals(text: str | None) -> list[JsonObject]:
    found = json.decode(text) if text else []
    assert isinstance(found, list)
    return [rival for rival in found if isinstance(rival, dict)]


def _conflict_items(source: str | None, rivals: list[JsonObject]) -> list[JsonValue]:
    return [
        {
            "type": CONFLICT,
            "level": "warning",
            "message": f"Conflict: {rival['source']} offers this entity as well; what {source} offers is shown",
        }
        for rival in rivals
    ]


def _error_items(errors: str | None) -> list[JsonValue]:
    found = json.decode(errors) if errors else []
    assert isinstance(found, list)
    return [
        {
            "type": "backstage.io/catalog-processing",
            "level": "error",
            "message": f"{error['name']}: {error['message']}",
            "error": error,
        }
        for error in found
        if isinstance(error, dict)
    ]
