"""Entity refs and location refs: how things are named.

The text form of an entity ref is `[kind:][namespace/]name`; its canonical form has all three parts in lower case and
is the identity of an entity everywhere: in tables, in relations, in the stream. Only the first colon and the first
slash separate: what follows them may hold more, as it may in Backstage.
"""

import re
from dataclasses import dataclass

from callboard.errors import InvalidRef

DEFAULT_NAMESPACE = "default"

_SCRIPT = re.compile(r"[\x00-\x20]*j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class EntityRef:
    """An entity's identity, always lower case.

    >>> str(EntityRef.parse("Component:Payments"))
    'component:default/payments'
    """

    kind: str
    namespace: str
    name: str

    @classmethod
    def parse(
        cls, text: str, *, default_kind: str | None = None, default_namespace: str = DEFAULT_NAMESPACE
    ) -> "EntityRef":
        """The ref that *text* says. Raises InvalidRef when a part is empty, or when no kind is known."""
        colon, slash = text.find(":"), text.find("/")
        # A colon behind the first slash belongs to the name.
        has_kind = colon >= 0 and (slash < 0 or colon < slash)
        kind = text[:colon] if has_kind else default_kind
        namespace = text[colon + 1 if has_kind else 0 : slash] if slash >= 0 else default_namespace
        name = text[max(slash, colon if has_kind else -1) + 1 :]
        if not kind:
            raise InvalidRef(f'Entity reference "{text}" had missing or empty kind (expected kind:namespace/name)')
        if not namespace or not name:
            raise InvalidRef(f'Entity reference "{text}" is not of the form [kind:][namespace/]name')
        return cls(kind.lower(), namespace.lower(), name.lower())

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class LocationRef:
    """Where something is read from: `type:target`, for example `url:https://host/catalog-info.yaml`.

    >>> LocationRef.parse("url:https://host/a.yaml").target
    'https://host/a.yaml'
    """

    type: str
    target: str

    @classmethod
    def parse(cls, text: str) -> "LocationRef":
        """The location that *text* says. Raises InvalidRef, with a hint where `url:` was forgotten."""
        kind, colon, target = text.partition(":")
        kind, target = kind.strip(), target.strip()
        if not colon or not kind or not target:
            raise InvalidRef(f"Unable to parse location ref '{text}', expected '<type>:<target>', e.g. 'url:https://…'")
        if kind in ("http", "https"):
            raise InvalidRef(f"Invalid location ref '{text}', please prefix it with 'url:', e.g. 'url:{text}'")
        if _SCRIPT.match(target):
            raise InvalidRef(f"Invalid location ref '{text}', a target can't be a script")
        return cls(kind, target)

    def __str__(self) -> str:
        return f"{self.type}:{self.target}"
