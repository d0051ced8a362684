"""Assembling: users and groups that a source has read, linked to one another and with names that differ."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import structlog

from callboard.errors import InvalidRef, Unreadable
from callboard.extend import EntityRef, JsonObject, JsonValue, Offered, Page
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.entities import check_envelope, entity_ref

_log = structlog.get_logger(__name__)

MAX_REMOVAL_PERCENT = 25.0
"""Of what an organisation provider holds; so many people do not leave within an hour."""

_NAMED = 10


@dataclass(slots=True)
class Member:
    """A user or a group, as its source knows it."""

    id: str
    """How memberships name it; also how people find it at its source."""
    entity: JsonObject


@dataclass(slots=True, kw_only=True)
class Organisation:
    """Everything that one round has read."""

    users: list[Member] = field(default_factory=list)
    groups: list[Member] = field(default_factory=list)
    memberships: set[tuple[str, str]] = field(default_factory=set)
    """(user, group), by their ids."""
    nesting: set[tuple[str, str]] = field(default_factory=set)
    """(group, the group that it is in), by their ids."""
    nameless: list[str] = field(default_factory=list)
    """The ids of what has no name, and so can't become an entity."""


def page_of(organisation: Organisation, provider: str, location_key: str, *, transitive: bool = False) -> Page:
    """The whole *organisation*, linked, as the only page of a round of *provider*.

    With *transitive*, users are members of the groups around theirs as well. Raises Unreadable when there is nobody at
    all: a source that has lost everything is ill.
    """
    if not organisation.users and not organisation.groups:
        raise Unreadable("expected at least one user or group, found none; nothing is withdrawn")
    _tell_nameless(organisation, provider)
    groups, users = _distinct(organisation.groups, provider), _distinct(organisation.users, provider)
    _link_groups(groups, organisation.nesting)
    _link_users(users, groups, organisation.memberships, transitive=transitive)
    found = sorted([*users.items(), *groups.items()], key=lambda item: item[0])
    return Page([Offered(member.entity, location_key) for _, member in found], done=True)


def placed(entity: JsonObject, location: str) -> JsonObject:
    """*entity* with the annotations that say that it comes from *location*, unless it says so itself."""
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    own = metadata.get("annotations")
    annotations: JsonObject = {MANAGED_BY_LOCATION: location, MANAGED_BY_ORIGIN_LOCATION: location}
    return {
        **entity,
        "metadata": {**metadata, "annotations": {**annotations, **(own if isinstance(own, dict) else {})}},
    }


def in_path(text: str) -> str:
    """*text* with escapes, as Backstage writes it into locations."""
    return quote(text, safe="!~*'()-_.")


def _tell_nameless(organisation: Organisation, provider: str) -> None:
    if organisation.nameless:
        named = sorted(organisation.nameless)[:_NAMED]
        _log.warning("organisation.nameless", provider=provider, count=len(organisation.nameless), left_out=named)


def _distinct(members: Sequence[Member], provider: str) -> dict[EntityRef, Member]:
    """The *members* by their refs. Of two with the same one, that with the smaller id stays, whatever came first."""
    found: dict[EntityRef, Member] = {}
    for member in sorted(members, key=lambda each: each.id):
        check_envelope(member.entity)
        ref = entity_ref(member.entity)
        first = found.setdefault(ref, member)
        if first.id != member.id:
            _log.warning("organisation.name_taken", provider=provider, ref=str(ref), kept=first.id, left_out=member.id)
    return found


def _link_groups(groups: Mapping[EntityRef, Member], nesting: Iterable[tuple[str, str]]) -> None:
    """Fill in parents and children. A group within several others has the first of them, by name, as its parent."""
    ids = {member.id: ref for ref, member in groups.items()}
    parents: dict[EntityRef, set[EntityRef]] = defaultdict(set)
    for child, parent in nesting:
        if child in ids and parent in ids and child != parent:
            parents[ids[child]].add(ids[parent])
    children: dict[EntityRef, set[EntityRef]] = defaultdict(set)
    for ref, around in parents.items():
        _spec(groups[ref])["parent"] = str(min(around))
        for each in around:
            children[each].add(ref)
    # What a transformer or the configuration has said of the hierarchy holds in both directions, too.
    for ref, member in groups.items():
        for named in _said(_spec(member).get("parent")):
            children[named].add(ref)
        for named in _said(_spec(member).get("children")):
            children[ref].add(named)
            if named in groups:
                _spec(groups[named]).setdefault("parent", str(ref))
    for ref, member in groups.items():
        _spec(member)["children"] = [str(child) for child in sorted(children[ref])]


def _link_users(
    users: Mapping[EntityRef, Member],
    groups: Mapping[EntityRef, Member],
    memberships: Iterable[tuple[str, str]],
    *,
    transitive: bool,
) -> None:
    ids = {member.id: ref for ref, member in groups.items()}
    of_user: dict[str, set[EntityRef]] = defaultdict(set)
    for user, group in memberships:
        if group in ids:
            of_user[user].add(ids[group])
    for member in users.values():
        direct = of_user[member.id] | set(_said(_spec(member).get("memberOf")))
        found = _with_parents(direct, groups) if transitive else direct
        _spec(member)["memberOf"] = [str(ref) for ref in sorted(found)]


def _with_parents(direct: Iterable[EntityRef], groups: Mapping[EntityRef, Member]) -> set[EntityRef]:
    found: set[EntityRef] = set()
    pending = list(direct)
    while pending:
        ref = pending.pop()
        if ref not in found:
            found.add(ref)
            pending += _said(_spec(groups[ref]).get("parent")) if ref in groups else ()
    return found


def _spec(member: Member) -> JsonObject:
    spec = member.entity.setdefault("spec", {})
    if not isinstance(spec, dict):
        raise Unreadable(f"expected the spec of {member.id} to be an object")
    return spec


def _said(value: JsonValue) -> list[EntityRef]:
    """The groups that *value*, a ref or a list of them, names."""
    texts = value if isinstance(value, list) else [value]
    found: list[EntityRef] = []
    for text in texts:
        try:
            found += [EntityRef.parse(text, default_kind="group")] if isinstance(text, str) else []
        except InvalidRef:
            # Processing will say what is wrong with the entity.
            continue
    return found
