"""What the discovery providers of all code hosts have in common: a Location for the catalog file of each repository.

The names, keys and annotations of these Locations are those of Backstage's modules, so that an installation that moves
finds its entities again.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from urllib.parse import quote

from callboard.extend import Delta, EntityRef, JsonObject, Offered
from callboard.extend.webhooks import Webhook
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.pushes import Push
from callboard.model.refs import LocationRef
from callboard.model.repositories import PLAIN, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The catalog file of a repository, or the pattern for its catalog files."""

    target: str
    """The URL."""
    required: bool = False
    """Whether it is an error when there is none."""
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    """More annotations of the Location."""


def offered(found: Found, provider: str) -> Offered:
    """What *provider* offers for it."""
    location = LocationRef("url", found.target)
    entity: JsonObject = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {
            "name": ref_of(found.target).name,
            "annotations": {
                MANAGED_BY_LOCATION: str(location),
                MANAGED_BY_ORIGIN_LOCATION: str(location),
                **found.annotations,
            },
        },
        "spec": {
            "type": "url",
            "target": found.target,
            "presence": "required" if found.required else "optional",
        },
    }
    return Offered(entity, provider)


def ref_of(target: str) -> EntityRef:
    """The ref of the Location for the URL *target*."""
    name = hashlib.sha1(f"url:{target}".encode(), usedforsecurity=False).hexdigest()
    return EntityRef("location", "default", f"generated-{name}")


def delta(provider: str, *, added: Collection[Found] = (), removed: Collection[str] = ()) -> Delta:
    """The change that *provider* applies for what was *added*, and for the targets that were *removed*."""
    return Delta([offered(found, provider) for found in added], [ref_of(target) for target in removed])


def has_wildcards(path: str) -> bool:
    """Whether *path* is a pattern, which may match files that are not there yet."""
    return "*" in path


def fixed_folder(path: str) -> str:
    """The folder that all files are in that the pattern *path* can match; empty for the root."""
    return path.strip("/").partition("*")[0].rpartition("/")[0]


def matching(pattern: str, paths: Collection[str]) -> list[str]:
    """Those of *paths* that the *pattern* matches, as it does in a Location."""
    place = Place("", quote(pattern.strip("/"), safe=f"{PLAIN}*"))
    return sorted(path for path in paths if place.is_among([path]))


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether *name* is one of the shell *patterns*, whatever their case."""
    return any(re.fullmatch(translate(pattern.lower()), name.lower()) for pattern in patterns)


def touches(push: Push, path: str) -> tuple[bool, bool]:
    """Whether *push* has (brought or changed, removed) the file at *path*."""
    path = path.lstrip("/")
    return path in push.added | push.modified, path in push.removed


def pushes_to(webhook: Webhook, branch: str | None) -> list[Push]:
    """The pushes that *webhook* tells of to *branch*; None: to the default branch."""
    return [
        push
        for push in webhook.pushes
        if (push.branch.name == branch if branch is not None else push.branch.is_default is not False)
    ]
