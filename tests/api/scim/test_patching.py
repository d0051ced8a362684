"""What the operations of a PATCH make of a resource, in the dialects of identity providers."""

import pytest

from callboard.api.scim import documents
from callboard.api.scim.patching import patched
from callboard.api.scim.refusals import Refused
from callboard.api.scim.schemas import ENTERPRISE, GROUPS, USER, USERS
from callboard.model.json import JsonObject, JsonValue

JO: JsonObject = {
    "userName": "jo",
    "name": {"givenName": "Jo", "familyName": "Doe"},
    "emails": [
        {"value": "jo@example.com", "type": "work", "primary": True},
        {"value": "jo@home.org", "type": "home"},
    ],
    ENTERPRISE: {"department": "Payments"},
}
TEAM: JsonObject = {"displayName": "Team", "members": [{"value": "u1"}, {"value": "u2", "display": "Two"}]}


def operation(op: str, path: str | None = None, value: JsonValue = None) -> JsonObject:
    found: JsonObject = {"op": op}
    if path is not None:
        found["path"] = path
    if value is not None:
        found["value"] = value
    return found


def user(*operations: JsonObject) -> JsonObject:
    return patched(USERS, JO, {"Operations": [*operations]})


def group(*operations: JsonObject) -> JsonObject:
    return patched(GROUPS, TEAM, {"operations": [*operations]})


def emails(found: JsonObject) -> list[JsonValue]:
    listed = found.get("emails", [])
    assert isinstance(listed, list)
    return listed


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (operation("replace", "active", False), {"active": False}),
        (operation("Replace", "active", "False"), {"active": False}),
        (operation("replace", None, {"active": False, "id": "x", "schemas": []}), {"active": False}),
        (operation("Add", "displayName", "Jo D."), {"displayName": "Jo D."}),
        (operation("replace", f"{USER}:displayName", "Jo D."), {"displayName": "Jo D."}),
        (operation("add", "DISPLAYNAME", "Jo D."), {"displayName": "Jo D."}),
        (operation("replace", "name.givenName", "Joe"), {"name": {"givenName": "Joe", "familyName": "Doe"}}),
        (operation("add", "name", {"givenName": "Joe"}), {"name": {"givenName": "Joe", "familyName": "Doe"}}),
        (operation("add", None, {"name.givenName": "Joe"}), {"name": {"givenName": "Joe", "familyName": "Doe"}}),
        (operation("remove", "name.givenName"), {"name": {"familyName": "Doe"}}),
        (operation("add", f"{ENTERPRISE}:division", "X"), {ENTERPRISE: {"department": "Payments", "division": "X"}}),
        (operation("add", None, {f"{ENTERPRISE}:department": "X"}), {ENTERPRISE: {"department": "X"}}),
        (operation("add", None, {ENTERPRISE: {"department": "X"}}), {ENTERPRISE: {"department": "X"}}),
        (
            operation("add", f"{ENTERPRISE}:manager", "m1"),
            {ENTERPRISE: {"department": "Payments", "manager": {"value": "m1"}}},
        ),
    ],
)
def test_an_operation_changes_what_it_names(change: JsonObject, expected: JsonObject) -> None:
    assert user(change) == {**JO, **expected}


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        (operation("remove", "name"), "name"),
        (operation("remove", "emails"), "emails"),
        (operation("replace", "emails", []), "emails"),
        (operation("remove", ENTERPRISE), ENTERPRISE),
        (operation("remove", f"{ENTERPRISE}:department"), ENTERPRISE),
    ],
)
def test_what_is_removed_or_empty_is_not_there(change: JsonObject, gone: str) -> None:
    assert user(change) == {name: value for name, value in JO.items() if name != gone}


def test_values_are_added_once() -> None:
    found = user(operation("add", "emails", [{"value": "jo@home.org", "type": "home"}, {"value": "new@x.org"}]))

    assert [each["value"] for each in emails(found) if isinstance(each, dict)] == [
        "jo@example.com",
        "jo@home.org",
        "new@x.org",
    ]


def test_a_value_that_a_filter_describes_is_changed() -> None:
    found = user(operation("replace", 'emails[type eq "home"].value', "other@home.org"))

    assert emails(found)[1] == {"value": "other@home.org", "type": "home"}


@pytest.mark.parametrize("op", ["add", "replace"])
def test_a_value_that_a_filter_describes_comes_into_being(op: str) -> None:
    found = user(operation(op, 'phoneNumbers[type eq "mobile"].value', "123"))

    assert found["phoneNumbers"] == [{"type": "mobile", "value": "123"}]


def test_there_is_one_primary_value_at_most() -> None:
    found = user(operation("add", 'emails[type eq "home"].primary', "True"))
    again = user(operation("add", "emails", {"value": "new@x.org", "primary": True}))

    assert [each.get("primary") for each in emails(found) if isinstance(each, dict)] == [False, True]
    assert [each.get("primary") for each in emails(again) if isinstance(each, dict)] == [False, None, True]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (operation("remove", 'members[value eq "u1"]'), ["u2"]),
        (operation("Remove", "members", [{"value": "u1"}]), ["u2"]),
        (operation("remove", "members"), None),
        (operation("replace", "members", [{"value": "u3"}]), ["u3"]),
        (operation("add", "members", [{"value": "u2"}, {"value": "u3", "type": "User"}]), ["u1", "u2", "u3"]),
        (operation("remove", 'members[value eq "u9"]'), ["u1", "u2"]),
    ],
)
def test_members_come_and_go(change: JsonObject, left: list[str] | None) -> None:
    members = group(change).get("members")

    assert (members and [each["value"] for each in members if isinstance(each, dict)]) == left  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (operation("remove"), "noTarget"),
        (operation("add", None, "text"), "invalidValue"),
        (operation("move", "active", True), "invalidSyntax"),
        ({"path": "active"}, "invalidSyntax"),
        (operation("replace", "active", "perhaps"), "invalidValue"),
        (operation("replace", "userName", 5), "invalidValue"),
        (operation("replace", "displayName", "a\0b"), "invalidValue"),
        (operation("replace", "unheardOf", "x"), "invalidPath"),
        (operation("replace", "name.unheardOf", "x"), "invalidPath"),
        (operation("replace", "emails[", "x"), "invalidPath"),
        (operation("replace", "groups", []), "mutability"),
        (operation("replace", "id", "x"), "mutability"),
        (operation("replace", 'emails[value co "nowhere"].value', "x"), "noTarget"),
        (operation("add", 'emails[type eq "home"]', "x"), "invalidValue"),
        (operation("add", ENTERPRISE, "x"), "invalidValue"),
    ],
)
def test_what_can_not_be_done_is_refused_with_its_word(change: JsonObject, kind: str) -> None:
    with pytest.raises(Refused) as raised:
        user(operation("add", "title", "x"), change)

    assert raised.value.kind == kind


@pytest.mark.parametrize("body", [{}, {"Operations": []}, {"Operations": "x"}, {"Operations": ["x"]}])
def test_a_patch_has_operations(body: JsonObject) -> None:
    with pytest.raises(Refused):
        patched(USERS, JO, body)


def test_documents_have_the_names_of_the_schema_and_nothing_that_is_not_to_be_kept() -> None:
    document: JsonObject = {
        "schemas": [USER],
        "id": "1",
        "USERNAME": "jo",
        "password": "t0p-secret",
        "emails": {"VALUE": "a@b.c", "primary": "true"},
        "groups": [{"value": "g"}],
        "roles": [],
        "title": None,
        "nonsense": 5,
        "urn:example:own": {"badge": 7},
        ENTERPRISE.lower(): {"Department": "X"},
    }

    found = documents.canonical(USERS, document)

    assert found == {
        "userName": "jo",
        "emails": [{"value": "a@b.c", "primary": True}],
        "urn:example:own": {"badge": 7},
        ENTERPRISE: {"department": "X"},
    }
