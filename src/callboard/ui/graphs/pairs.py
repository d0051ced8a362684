"""Pairs: relation types of which one is the other seen from the far end."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FORWARD: Final = ("dependsOn", "consumesApi", "providesApi", "partOf", "ownedBy", "memberOf", "childOf")
"""Each as the entity says it that declares it, in the order in which people look for them."""

DECLARED_AS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dependencyOf": "dependsOn",
        "apiConsumedBy": "consumesApi",
        "apiProvidedBy": "providesApi",
        "hasPart": "partOf",
        "ownerOf": "ownedBy",
        "hasMember": "memberOf",
        "parentOf": "childOf",
    }
)
"""The forward name of each type that says what the entity at its target declares."""

BACKWARD: Final[Mapping[str, str]] = MappingProxyType({forward: backward for backward, forward in DECLARED_AS.items()})
"""The other name of each forward type."""


def forward_name(relation: str) -> str:
    """The forward name of a relation type; a type that is in no pair is its own.

    >>> forward_name("ownerOf"), forward_name("ownedBy"), forward_name("mirrors")
    ('ownedBy', 'ownedBy', 'mirrors')
    """
    return DECLARED_AS.get(relation, relation)


def both_names(relation: str) -> str:
    """A forward type with its other name, for a list to choose from.

    >>> both_names("ownedBy"), both_names("mirrors")
    ('ownedBy / ownerOf', 'mirrors')
    """
    return f"{relation} / {BACKWARD[relation]}" if relation in BACKWARD else relation


def place(relation: str) -> tuple[int, str]:
    """Where a forward type stands among others."""
    return (FORWARD.index(relation) if relation in FORWARD else len(FORWARD), relation)
