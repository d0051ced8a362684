"""Keys of Backstage's configuration that Callboard has no setting for, and what to say about them.

`catalog` and `callboard` are ours: a key there that nobody knows is probably misspelt. All other sections belong to
other programs that read the same file.
"""

from collections.abc import Iterator

from callboard.settings.substitution import joined
from callboard.settings.values import Value

_OURS = ("catalog", "callboard")

_ACCEPTED = (
    "catalog.actions",
    "catalog.experimentalPagination",
    "catalog.import",
)
"""Read by the front end or by modules of Backstage; here they change nothing, and nobody needs to hear about it."""

_NOTICES = {
    "catalog.useUrlReadersSearch": "was removed in Backstage's catalog 3.0; URL locations may always have wildcards",
    "catalog.disableRelationsCompatibility": (
        "was removed in Backstage's catalog 4.0; relations have targetRef only, as with the value true"
    ),
    "catalog.enableRelationsCompatibility": (
        "was removed in Backstage's catalog 4.0; relations have targetRef only, without the older target object"
    ),
    "catalog.stitchingStrategy.mode": "was removed in Backstage's catalog 4.0; stitching always goes through a queue",
    "catalog.processors.*.priority": "has moved to catalog.processorOptions.<name>.priority",
    "catalog.processors.github": "was removed from Backstage; say it in integrations.github",
    "catalog.processors.gitlabApi": "was removed from Backstage; say it in integrations.gitlab",
    "catalog.processors.bitbucketApi": "was removed from Backstage; say it in integrations.bitbucketCloud",
    "catalog.processors.azureApi": "was removed from Backstage; say it in integrations.azure",
    "backend.database.plugin.catalog": "is not read: Callboard has one database; say it in backend.database.connection",
    "backend.https": "is not read: Callboard speaks plain HTTP; let a proxy in front of it do TLS",
}
"""Keys that mean something in some Backstage, and not here. A `*` stands for any key."""


def is_ours(path: str) -> bool:
    """Whether an unknown key at *path* deserves a warning."""
    return path.startswith(tuple(f"{section}." for section in _OURS)) and path not in _ACCEPTED


def notices(root: Value) -> Iterator[tuple[str, Value, str]]:
    """The keys in *root* that have a notice: path, value, and what to say."""
    for pattern, words in _NOTICES.items():
        for path, value in _find(root, pattern.split("."), ""):
            yield path, value, words


def _find(value: Value, pattern: list[str], path: str) -> Iterator[tuple[str, Value]]:
    if not pattern:
        yield path, value
        return
    for key, entry in value.entries().items():
        if pattern[0] in ("*", key):
            yield from _find(entry, pattern[1:], joined(path, key))
