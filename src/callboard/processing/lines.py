"""Lines: an entity that moves within its file is no other one, but its claim and its errors say where it is now."""

from collections.abc import Sequence

from callboard.model import json
from callboard.model.json import JsonValue
from callboard.store import claims, entities
from callboard.store.claims import Claim
from callboard.store.database import Transaction
from callboard.store.entities import Failing


async def follow(tx: Transaction, moved: Sequence[Claim], *, failed: Sequence[str]) -> None:
    """Store the lines of the claims that *moved*, and correct the errors of their entities.

    So it is done for what has *failed* just now, since its file may have been read again during the run.
    Nothing is processed or stitched for it: a `status` shows the line when the entity is stitched the next time.
    """
    await claims.move(tx, moved)
    failing = await entities.failing(tx, [*(claim.ref for claim in moved), *failed])
    corrected = [(entity.ref, _corrected(entity)) for entity in failing]
    stale = [(ref, errors) for (ref, errors), entity in zip(corrected, failing, strict=True) if errors != entity.errors]
    await entities.correct_errors(tx, stale)


def _corrected(failing: Failing) -> str:
    errors = json.decode(failing.errors)
    assert isinstance(errors, list)
    for error in errors:
        _correct(error, failing)
    return json.encode(errors).decode()


def _correct(error: JsonValue, failing: Failing) -> None:
    """Whatever is in the file of the entity, and not at an exact column of it, is where the entity begins."""
    while isinstance(error, dict):
        if error.get("location") == failing.location_key and "line" in error and "column" not in error:
            error["line"] = failing.line
        error = error.get("cause")
