"""Memberships: the groups that a user belongs to, as the catalog shows them."""

from callboard.model import json
from callboard.view.views import View


def groups_of(view: View, user: str) -> list[str]:
    """The refs of the groups that the user with this ref is a member of; none for a user who is not there."""
    body = view.by_ref(user)
    entity = None if body is None else json.decode(body)
    relations = entity.get("relations") if isinstance(entity, dict) else None
    if not isinstance(relations, list):
        return []
    return [
        str(relation["targetRef"])
        for relation in relations
        if isinstance(relation, dict) and relation.get("type") == "memberOf"
    ]
