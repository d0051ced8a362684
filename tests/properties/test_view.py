"""What must hold for the view whatever the catalog and whatever happens to it."""

import json
from collections.abc import Callable, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.model.changes import Change, ChangeType
from callboard.model.facts import facts_of
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import AllOf, AnyOf, Equals, Exists, HasPrefix, In, Not, Predicate, matches
from callboard.view.columns import Column
from callboard.view.cursors import Query
from callboard.view.orders import Order
from callboard.view.queries import Page, query, resume
from callboard.view.texts import TextSearch
from callboard.view.views import View
from tests.view.samples import entity, removed, upserted, view_of

# Few names, keys and values, so that they meet.
NAMES = st.sampled_from([f"e{number}" for number in range(8)])
VALUES = st.sampled_from(["a", "A", "bA", "true", "x" * 201, None, 1, "", "İ"])
LEAVES: st.SearchStrategy[JsonValue] = VALUES | st.lists(VALUES, max_size=4).map(list)
ENTITIES: st.SearchStrategy[JsonObject] = st.builds(
    lambda name, kind, parts, spec: entity(name, kind, **parts, spec=spec),
    NAMES,
    st.sampled_from(["Component", "API"]),
    st.fixed_dictionaries({}, optional={"tags": st.lists(VALUES, max_size=4), "title": LEAVES}),
    st.dictionaries(st.sampled_from(["type", "Type", "list"]), LEAVES | st.builds(lambda leaf: {"a": leaf}, LEAVES)),
)
CATALOGS = st.lists(ENTITIES, max_size=25)
REMOVALS = st.sets(st.builds(lambda kind, name: f"{kind}:default/{name}", st.sampled_from(["component", "api"]), NAMES))

KEYS = st.sampled_from(
    ["kind", "metadata.name", "metadata.tags", "metadata.tags.a", "metadata.title", "spec.type", "spec.list.a", "none"]
)
TEXTS = st.sampled_from(["a", "b", "ba", "true", "", "component", "e1", "i̇", "1"])
PREDICATES: st.SearchStrategy[Predicate] = st.recursive(
    st.builds(Equals, KEYS, TEXTS)
    | st.builds(In, KEYS, st.lists(TEXTS, max_size=3).map(tuple))
    | st.builds(HasPrefix, KEYS, TEXTS)
    | st.builds(Exists, KEYS),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
ORDERS = st.none() | st.builds(Order, st.just("metadata.tags") | KEYS, st.booleans())
QUERIES = st.builds(
    lambda predicate, order, text: Query(predicate=predicate, order=order, text=text),
    st.none() | PREDICATES,
    ORDERS,
    st.none() | st.builds(TextSearch, TEXTS, st.lists(KEYS, max_size=2).map(tuple)),
)


def named(view: View, members: list[int]) -> list[str]:
    return sorted(view.contents.refs.text(member) for member in members)


def described(view: View, column: Column | None) -> dict[str, object]:
    """All that a column says, in terms of refs instead of ids."""
    if column is None:
        return {}
    holders = list(column.holders())
    return {
        "values": {value: named(view, list(Column.of_marks(ids).holders())) for value, ids in column.values.items()},
        "order": list(column.order()),
        "found": {value: named(view, list(column.equal_to(value))) for value in column.order()},
        "holders": named(view, holders),
        "lowest": {view.contents.refs.text(member): column.lowest(member) for member in holders},
        "highest": {view.contents.refs.text(member): column.highest(member) for member in holders},
        "several": named(view, [member for member in holders if column.has_several(member)]),
    }


def described_whole(view: View, keys: Iterable[str]) -> dict[str, object]:
    index = view.contents.index
    return {
        "columns": {key: described(view, index.column(key)) for key in keys},
        "everything": named(view, list(index.everything)),
        "refs": view.refs(),
        "uids": list(view.contents.uids.texts()),
        "bodies": [view.by_ref(ref) for ref in view.refs()],
    }


@settings(deadline=None)
@given(CATALOGS, st.lists(st.tuples(st.booleans(), ENTITIES, st.booleans()), max_size=25))
def test_a_view_that_followed_the_changes_equals_one_that_was_loaded_anew(
    start: list[JsonObject], steps: list[tuple[bool, JsonObject, bool]]
) -> None:
    catalog = {ref(body): body for body in start}
    keys = {key for body in [*start, *(step[1] for step in steps)] for key in facts_of(body)}
    followed = view_of(*catalog.values())

    for number, (removal, changed, reads_between) in enumerate(steps, start=followed.offset + 1):
        change: Change = removed(number, changed) if removal else upserted(number, changed, ChangeType.UPDATED)
        followed.apply([change])
        catalog.pop(ref(changed), None)
        if not removal:
            catalog[ref(changed)] = changed
        if reads_between:
            described_whole(followed, keys)

    assert described_whole(followed, keys) == described_whole(view_of(*catalog.values()), keys)


def ref(body: JsonObject) -> str:
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return f"{body['kind']}:default/{metadata['name']}".lower()


def lived(catalog: list[JsonObject], gone: set[str]) -> tuple[View, dict[str, JsonObject]]:
    """A view that has lost some entities, and what it should still have."""
    entities = {ref(body): body for body in catalog}
    view = view_of(*entities.values())
    losses = [body for name, body in entities.items() if name in gone]
    view.apply([removed(view.offset + number, body) for number, body in enumerate(losses, start=1)])
    return view, {name: body for name, body in entities.items() if name not in gone}


@settings(deadline=None)
@given(CATALOGS, REMOVALS, PREDICATES)
def test_the_index_finds_what_a_predicate_says_of_each_entity(
    catalog: list[JsonObject], gone: set[str], predicate: Predicate
) -> None:
    view, entities = lived(catalog, gone)

    found = named(view, list(view.evaluate(predicate)))

    assert found == sorted(name for name, body in entities.items() if matches(predicate, facts_of(body)))


@settings(deadline=None)
@given(CATALOGS, REMOVALS, QUERIES, st.integers(min_value=1, max_value=7))
def test_a_walk_by_cursors_meets_each_entity_once_and_finds_the_way_back(
    catalog: list[JsonObject], gone: set[str], asked: Query, limit: int
) -> None:
    view, _ = lived(catalog, gone)
    whole = query(view, asked, limit=1000)

    forwards = walk(query(view, asked, limit=limit), lambda cursor: resume(view, cursor, limit=limit))
    backwards = walk_back(forwards[-1], lambda cursor: resume(view, cursor, limit=limit))

    assert [body for page in forwards for body in page.bodies] == whole.bodies
    assert len(set(whole.bodies)) == len(whole.bodies) == whole.total
    assert {page.total for page in forwards} == {whole.total}
    assert [page.bodies for page in reversed(backwards)] == [page.bodies for page in forwards]


def walk(page: Page, follow: Callable[[str], Page]) -> list[Page]:
    pages = [page]
    while pages[-1].next_cursor is not None:
        pages.append(follow(pages[-1].next_cursor))
    return pages


def walk_back(page: Page, follow: Callable[[str], Page]) -> list[Page]:
    pages = [page]
    while pages[-1].previous_cursor is not None:
        pages.append(follow(pages[-1].previous_cursor))
    return pages


@settings(deadline=None)
@given(CATALOGS, REMOVALS, PREDICATES, ORDERS)
def test_a_walk_is_sorted_and_complete(
    catalog: list[JsonObject], gone: set[str], predicate: Predicate, order: Order | None
) -> None:
    view, entities = lived(catalog, gone)

    page = query(view, Query(predicate=predicate, order=order), limit=1000)

    expected: list[tuple[str, str, JsonObject]] = []
    for body in entities.values():
        facts = facts_of(body)
        values = sorted(value.lower() for value in facts.get(order.key, ())) if order else [""]
        if values and matches(predicate, facts):
            value = values[-1] if order and order.descending else values[0]
            expected.append((value, facts["metadata.uid"][0], body))
    expected.sort(key=lambda place: place[:2], reverse=order is not None and order.descending)
    assert [json.loads(body) for body in page.bodies] == [body for _, _, body in expected]
