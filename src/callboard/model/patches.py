"""Patches: how one JSON document differs from another (RFC 6902)."""

import jsonpatch

from callboard.model.json import JsonObject, JsonValue


def between(before: JsonValue, after: JsonValue) -> list[JsonObject]:
    """What makes *after* out of *before*; all of it in one operation where they are nested too deep to be compared."""
    try:
        return list(jsonpatch.make_patch(before, after))
    except RecursionError:
        return whole(after)


def whole(document: JsonValue) -> list[JsonObject]:
    """What makes *document* out of anything, or of nothing."""
    return [{"op": "add", "path": "", "value": document}]
