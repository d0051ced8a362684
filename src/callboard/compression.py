"""Compression: which answers are worth it, and how much of it."""

import gzip

LEAST = 1024
"""Bytes. A shorter answer is sent as it is."""

LEVEL = 1
"""JSON of a catalog shrinks to a sixth at the lowest level, which costs a third of the usual one."""


def gzipped(body: bytes) -> bytes:
    """*body* as gzip."""
    return gzip.compress(body, LEVEL, mtime=0)
