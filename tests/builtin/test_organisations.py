"""What all sources of users and groups have in common."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs

from callboard import plugins
from callboard.builtin.organisations import assembling, names, pictures, transformers
from callboard.builtin.organisations.assembling import Member, Organisation
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import JsonObject, JsonValue
from callboard.settings import defaults


def user(name: str, id_: str = "", **spec: JsonValue) -> Member:
    return Member(id_ or name, entity("User", name, spec))


def group(name: str, id_: str = "", **spec: JsonValue) -> Member:
    return Member(id_ or name, entity("Group", name, {"type": "team", **spec}))


def entity(kind: str, name: str, spec: JsonObject) -> JsonObject:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def specs(organisation: Organisation, *, transitive: bool = False) -> dict[str, JsonObject]:
    """The spec of each entity, by its name."""
    page = assembling.page_of(organisation, "people", "key", transitive=transitive)
    found: dict[str, JsonObject] = {}
    for offered in page.entities:
        metadata, spec = offered.entity["metadata"], offered.entity["spec"]
        assert isinstance(metadata, dict)
        assert isinstance(spec, dict)
        found[str(metadata["name"])] = spec
    return found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Jo.Doe@Example.com", "jo.doe_example.com"),
        (" Payments (EU) Team ", "payments_eu_team"),
        ("__x__y__", "_x_y"),
        ("Ärzte", "_rzte"),
        ("!?", ""),
    ],
)
def test_names_are_normalized_as_backstage_does_it(text: str, name: str) -> None:
    assert names.normalized(text) == name


def test_a_round_is_one_page() -> None:
    page = assembling.page_of(Organisation(users=[user("jo")], groups=[group("team")]), "people", "key")

    assert page.done
    assert [offered.location_key for offered in page.entities] == ["key", "key"]


def test_users_say_their_groups_and_groups_who_is_in_whom() -> None:
    found = specs(
        Organisation(
            users=[user("jo", "1")],
            groups=[group("all", "2"), group("some", "3")],
            memberships={("1", "3"), ("1", "not-read")},
            nesting={("3", "2"), ("3", "3"), ("not-read", "2")},
        )
    )

    assert found["jo"]["memberOf"] == ["group:default/some"]
    assert found["some"]["parent"] == "group:default/all"
    assert found["all"] == {"type": "team", "children": ["group:default/some"]}


def test_users_are_members_of_the_groups_around_theirs_where_that_is_wanted() -> None:
    organisation = Organisation(
        users=[user("jo")],
        groups=[group("all"), group("some")],
        memberships={("jo", "some")},
        nesting={("some", "all")},
    )

    assert specs(organisation, transitive=True)["jo"]["memberOf"] == ["group:default/all", "group:default/some"]


def test_a_group_in_several_groups_has_the_first_one_as_its_parent_and_is_a_child_of_all() -> None:
    found = specs(
        Organisation(groups=[group("b"), group("a"), group("x")], nesting={("x", "b"), ("x", "a")}),
    )

    assert found["x"]["parent"] == "group:default/a"
    assert found["a"]["children"] == found["b"]["children"] == ["group:default/x"]


def test_groups_that_are_within_each_other_do_no_harm() -> None:
    organisation = Organisation(
        users=[user("jo")],
        groups=[group("a"), group("b")],
        memberships={("jo", "a")},
        nesting={("a", "b"), ("b", "a")},
    )

    assert specs(organisation, transitive=True)["jo"]["memberOf"] == ["group:default/a", "group:default/b"]


def test_what_a_transformer_says_of_the_hierarchy_holds_in_both_directions() -> None:
    found = specs(
        Organisation(
            users=[user("jo", memberOf=["team-a"])],
            groups=[group("team-a", parent="group:top"), group("top", children=["team-b"]), group("team-b")],
        )
    )

    assert found["top"]["children"] == ["group:default/team-a", "group:default/team-b"]
    assert found["team-b"]["parent"] == "group:default/top"
    assert found["jo"]["memberOf"] == ["group:default/team-a"]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_two_with_the_same_name_one_stays_whatever_the_order_and_both_are_told(order: Sequence[int]) -> None:
    both = [user("jo", "uid=jo,ou=a", mail="a"), user("JO", "uid=jo,ou=b", mail="b")]

    with capture_logs() as logs:
        found = specs(Organisation(users=[both[index] for index in order]))

    assert found == {"jo": {"mail": "a", "memberOf": []}}
    assert [(entry["kept"], entry["left_out"]) for entry in logs] == [("uid=jo,ou=a", "uid=jo,ou=b")]


def test_what_is_found_twice_is_there_once_and_nothing_to_tell() -> None:
    with capture_logs() as logs:
        found = specs(Organisation(users=[user("jo", "1"), user("jo", "1")]))

    assert (list(found), logs) == (["jo"], [])


def test_nobody_at_all_is_an_error_of_the_source() -> None:
    with pytest.raises(Unreadable, match="expected at least one user or group, found none; nothing is withdrawn"):
        assembling.page_of(Organisation(nameless=["a"]), "people", "key")


def test_who_has_no_name_is_told() -> None:
    with capture_logs() as logs:
        specs(Organisation(users=[user("jo")], nameless=["uid=b", "uid=a"]))

    assert [(entry["count"], entry["left_out"]) for entry in logs] == [(2, ["uid=a", "uid=b"])]


def rename(source: object, entity: JsonObject) -> JsonObject | None:
    """For the configuration of a test."""
    return {**entity, "metadata": {"name": f"{source}"}} if source else None


async def rename_later(source: object, entity: JsonObject) -> JsonObject | None:
    """The same, as a coroutine."""
    return rename(source, entity)


def fail(source: object, entity: JsonObject) -> JsonObject:
    """For the configuration of a test."""
    raise KeyError("employeeNumber")


def nothing_sensible(source: object, entity: JsonObject) -> object:
    """For the configuration of a test."""
    return 5


@pytest.mark.parametrize("name", ["rename", "rename_later"])
async def test_a_transformer_may_be_a_function_or_a_coroutine_and_take_nothing(name: str) -> None:
    transformer = transformers.named(f"{__name__}:{name}", "key")
    assert transformer is not None

    changed = await transformer.apply(entity("User", "jo", {}), "jo2")

    assert changed is not None
    assert changed["metadata"] == {"name": "jo2"}
    assert await transformer.apply(entity("User", "jo", {}), "") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fail", "fail failed at User 'jo': KeyError: 'employeeNumber'"),
        ("nothing_sensible", "nothing_sensible to return an entity or None for User 'jo'"),
    ],
)
async def test_a_transformer_that_fails_ends_the_round(name: str, said: str) -> None:
    transformer = transformers.named(f"{__name__}:{name}", "key")
    assert transformer is not None

    with pytest.raises(Unreadable) as raised:
        await transformer.apply(entity("User", "jo", {}), None)

    assert str(raised.value).endswith(said)


def test_a_transformer_that_is_not_there_is_named_with_its_key() -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"catalog\.providers\.x\.userTransformer: expected a function nobody"
    ):
        transformers.named(f"{__name__}:nobody", "catalog.providers.x.userTransformer")


@pytest.mark.parametrize(
    ("content", "begin"),
    [
        (b"\xff\xd8\xff..", "data:image/jpeg;base64,/9j/"),
        (b"\x89PNG\r\n\x1a\n", "data:image/png;base64,"),
        (b"RIFF....WEBP", "data:image/webp;base64,"),
    ],
)
def test_small_pictures_become_addresses(content: bytes, begin: str) -> None:
    assert (pictures.data_url(content) or "").startswith(begin)


@pytest.mark.parametrize("content", [b"<svg>", b"", b"\xff\xd8\xff" + b"." * pictures.LARGEST])
def test_large_pictures_and_what_is_none_do_not(content: bytes) -> None:
    assert pictures.data_url(content) is None


PAGE = Path(__file__).parents[2] / "docs/howto/organisation.md"


def blocks(language: str) -> list[str]:
    """The examples of the page about organisations."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_the_examples_of_the_documentation_can_be_read(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "our_people.py").write_text("".join(blocks("python")), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    catalog = yaml.safe_load(blocks("yaml")[number])["catalog"]

    loaded = plugins.load(defaults().overridden({"catalog.providers": catalog.get("providers", {})}))

    assert len(loaded.incremental) == len(set(catalog.get("providers", {})) & {"ldapOrg", "microsoftGraphOrg"})


async def test_the_transformers_of_the_documentation_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "our_people.py").write_text("".join(blocks("python")), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    by_user, by_group = transformers.named("our_people:user", "key"), transformers.named("our_people:group", "key")
    assert by_user is not None
    assert by_group is not None

    robot = await by_user.apply(entity("User", "r", {}), {"dn": "x", "attributes": {"employeeType": ["robot"]}})
    named = await by_user.apply(entity("User", "jo", {}), {"dn": "x", "attributes": {"employeeNumber": ["17"]}})
    squad = await by_group.apply(entity("Group", "team", {}), {})

    assert robot is None
    assert named is not None
    assert named["metadata"] == {"name": "17"}
    assert squad is not None
    assert squad["spec"] == {"type": "squad"}
