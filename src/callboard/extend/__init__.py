"""What a plugin may implement. The bundled plugins use this package and nothing else.

EntityProvider       feeds entities into the catalog
Processor            reads, validates and enriches one entity at a time
Policy               sets rules for the shape of every entity
PlaceholderResolver  replaces `{"$name": value}` inside an entity
Reader               fetches the content of one type of location
"""

from callboard.extend.policies import Policy
from callboard.extend.processors import Child, PlaceholderResolver, Processor, Relation, Run
from callboard.extend.providers import Delta, EntityProvider, Full, Mutation, Offered, ProviderConnection
from callboard.extend.readers import Content, NotModified, Reader

__all__ = [
    "Child",
    "Content",
    "Delta",
    "EntityProvider",
    "Full",
    "Mutation",
    "NotModified",
    "Offered",
    "PlaceholderResolver",
    "Policy",
    "Processor",
    "ProviderConnection",
    "Reader",
    "Relation",
    "Run",
]
