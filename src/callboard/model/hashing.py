"""Hashes that tell whether something changed. They are stored, so they must come from one library for ever.

Canonical form: compact JSON with keys sorted by code point, as orjson writes it. Equal values have equal hashes.
"""

import hashlib

from callboard.model.json import encode_sorted


def digest(*parts: bytes) -> bytes:
    """SHA-256 over *parts*, each with its length, so that moving a boundary changes it."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.digest()


def content_hash(value: object) -> bytes:
    """SHA-256 of the canonical form of *value*."""
    return hashlib.sha256(encode_sorted(value)).digest()
