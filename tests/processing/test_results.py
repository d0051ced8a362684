"""What of an outcome is stored, and whether anything is new."""

import dataclasses

from callboard.errors import InvalidEntity
from callboard.extend import Relation, Run
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.processing import results
from callboard.processing.pipeline import Broken, Completed
from callboard.processing.results import Bad, Good
from callboard.store.schedule import Due, Priority
from tests.harness import component

_FINGERPRINT = "made-by"
_FILE, _OTHER = LocationRef("url", "https://host/a.yaml"), LocationRef("url", "https://host/b.yaml")


def due(content: str = "{}", *, after: Good | Bad | None = None) -> Due:
    """The entity, as it is after a run."""
    return Due(
        ref="component:default/a",
        ticket=1,
        lease=1,
        attempts=0,
        priority=Priority.CHANGED,
        because="changed",
        content=content,
        result_hash=after.result_hash if after else None,
        state=after.state if isinstance(after, Good) else None,
        source="provider:ci",
    )


def run(known: dict[str, str] | None = None) -> Run:
    return Run(ref=EntityRef("component", "default", "a"), location=_FILE, origin=_FILE, known=dict(known or {}))


def good(made: Run, *, at: Due | None = None, entity: JsonObject | None = None, by: str = _FINGERPRINT) -> Good:
    result = results.of(Completed(entity or component("a"), made), at or due(), by)
    assert isinstance(result, Good)
    return result


def bad(*errors: Exception, at: Due | None = None) -> Bad:
    result = results.of(Broken(list(errors), outside=True), at or due(), _FINGERPRINT)
    assert isinstance(result, Bad)
    return result


def full_run() -> Run:
    made = run()
    made.emit_entity(component("b"), location=_FILE)
    made.emit_entity(component("c"), location=_OTHER)
    made.emit_relation(Relation("component:default/a", "ownedBy", "group:default/g"))
    made.emit_refresh_key("url:https://host/a.yaml")
    made.remember(str(_FILE), "version 1")
    return made


def test_the_same_again_is_no_change() -> None:
    first = good(full_run())

    again = good(full_run(), at=due(after=first))

    assert (first.changed, again.changed, again.only_remembers) == (True, False, False)


def test_everything_that_is_emitted_counts_as_a_change() -> None:
    first = good(full_run())
    child, relation, key = full_run(), full_run(), full_run()
    child.emit_entity(component("d"), location=_FILE)
    relation.emit_relation(Relation("component:default/a", "partOf", "system:default/s"))
    key.emit_refresh_key("other")

    assert all(good(made, at=due(after=first)).changed for made in (child, relation, key))
    assert good(full_run(), at=due(after=first), entity=component("a", type="website")).changed
    assert good(full_run(), at=due(after=first), by="somebody else").changed


def test_a_new_version_of_the_same_content_is_remembered_and_nothing_more() -> None:
    first = good(full_run())
    touched = full_run()
    touched.remember(str(_FILE), "version 2")

    again = good(touched, at=due(after=first))

    assert (again.changed, again.only_remembers) == (False, True)


def test_the_order_in_which_children_come_does_not_matter() -> None:
    first = good(full_run())
    reordered = full_run()
    reordered.children.reverse()

    assert not good(reordered, at=due(after=first)).changed


def test_what_stands_counts_as_what_was_there() -> None:
    first = good(full_run())
    standing = full_run()
    standing.children = [child for child in standing.children if child.location == _OTHER]
    standing.emit_standing(_FILE)

    again = good(standing, at=due(after=first))

    assert not again.changed
    assert again.standing == [("entity:component:default/a", str(_FILE))]


def test_one_file_that_changed_beside_one_that_stands_is_a_change() -> None:
    first = good(full_run())
    mixed = run()
    mixed.emit_standing(_FILE)
    mixed.emit_entity(component("c", type="website"), location=_OTHER)

    assert good(mixed, at=due(after=first)).changed


def test_what_was_remembered_is_known_to_the_next_run() -> None:
    first = good(full_run())

    assert results.known(due(after=first), _FINGERPRINT) == {str(_FILE): "version 1"}


def test_nothing_is_known_of_other_content_or_under_other_processors() -> None:
    first = good(full_run())

    assert results.known(due("{}", after=first), "somebody else") == {}
    assert results.known(due('{"edited": true}', after=first), _FINGERPRINT) == {}
    assert results.known(due(), _FINGERPRINT) == {}


def test_a_run_that_emits_and_remembers_nothing_leaves_no_state() -> None:
    assert good(run()).state is None


def test_the_same_errors_again_are_no_change() -> None:
    first = bad(InvalidEntity("a"), InvalidEntity("b"))

    assert first.changed
    assert not bad(InvalidEntity("a"), InvalidEntity("b"), at=due(after=first)).changed
    assert bad(InvalidEntity("a"), at=due(after=first)).changed


def test_errors_are_where_the_entity_begins() -> None:
    entity = json.encode(component("a", location="url:https://host/a.yaml")).decode()
    at = dataclasses.replace(due(entity), line=12)

    result = bad(InvalidEntity("no owner", pointer="/spec/owner"), KeyError("surprise"), at=at)

    here = {"location": "url:https://host/a.yaml", "line": 12}
    assert json.decode(result.errors) == [
        {"name": "InputError", "message": "no owner", **here, "pointer": "/spec/owner"},
        {"name": "KeyError", "message": "'surprise'", **here},
    ]


def test_the_same_errors_on_another_line_are_no_change() -> None:
    entity = json.encode(component("a")).decode()
    first = bad(InvalidEntity("a"), at=dataclasses.replace(due(entity), line=12))

    again = bad(InvalidEntity("a"), at=dataclasses.replace(due(entity, after=first), line=14))

    assert not again.changed
    assert '"line":14' in again.errors


def test_a_child_on_another_line_is_to_be_stored() -> None:
    first = good(full_run())
    moved = full_run()
    moved.children = [dataclasses.replace(child, line=2) for child in moved.children]

    again = good(moved, at=due(after=first))

    assert again.changed
    assert [claim.line for claim in again.children] == [2, 2]


def test_what_a_broken_run_has_looked_at_is_kept_but_for_what_no_table_can_hold() -> None:
    looked_at = frozenset({"url:https://host/b.yaml", "url:https://host/a.yaml", "url:https://host/\x1f", "url:\ud800"})

    result = results.of(Broken([InvalidEntity("no")], outside=True, refresh_keys=looked_at), due(), _FINGERPRINT)

    assert isinstance(result, Bad)
    assert result.refresh_keys == [("component:default/a", f"url:https://host/{name}.yaml") for name in ("a", "b")]


def test_the_same_good_result_after_an_error_is_a_change() -> None:
    first = good(full_run())
    failed = bad(InvalidEntity("a"), at=due(after=first))

    assert good(full_run(), at=dataclasses.replace(due(after=failed), state=first.state)).changed
