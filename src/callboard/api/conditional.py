"""Conditional requests: entity tags, and whether the caller holds the answer already (RFC 9110, section 13)."""

import base64
import hashlib


def tag_of(body: bytes) -> str:
    """The weak tag of an answer: the same for the same bytes, compressed or not."""
    return tag_of_digest(hashlib.sha1(body, usedforsecurity=False).digest())


def tag_of_digest(digest: bytes) -> str:
    """The weak tag of an answer that *digest* stands for."""
    return f'W/"{base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}"'


def is_held(tag: str, if_none_match: str | None) -> bool:
    """Whether the caller says that it holds the answer with this tag, by the weak comparison."""
    if if_none_match is None:
        return False
    held = [text.strip().removeprefix("W/") for text in if_none_match.split(",")]
    return "*" in held or tag.removeprefix("W/") in held
