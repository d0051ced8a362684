"""Names: what directories call users and groups, as names that entities may have."""

import re

_NAME = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]+(?:[-_.]+[A-Za-z0-9]+)*")
_ELSE = re.compile(r"[^a-z0-9_.-]")


def is_name(text: str) -> bool:
    """Whether an entity may be called *text*."""
    return _NAME.fullmatch(text) is not None


def normalized(text: str) -> str:
    """*text* as Backstage makes a name of it: in lower case, with an underscore for each run of other characters.

    The result may still be no name: empty, too long, or with a dot at its end.

    >>> normalized("Payments (EU) Team")
    'payments_eu_team'
    """
    return re.sub(r"__+", "_", _ELSE.sub("_", text.strip().lower()).rstrip("_"))
