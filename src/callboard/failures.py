"""Failures of somebody else's code: what is kept of them, and when it is tried again."""

LONGEST = 2_000
"""Characters of an error that are kept."""

_LONGEST_PAUSE = 300.0


def described(error: Exception) -> str:
    """What kind of error it was, and what it says, as `kept`."""
    return kept(f"{type(error).__name__}: {error}")


def kept(text: str) -> str:
    """The beginning of a text that may say anything, as the database can hold it: that can't hold every character."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:LONGEST]


def pause_after(failures: int) -> float:
    """Seconds after so many failures in a row, which grow from one to three hundred."""
    return min(_LONGEST_PAUSE, 2.0 ** min(failures - 1, 10))
