import dataclasses
from typing import Any

import pytest

from callboard.builtin.policies import (
    DEFAULT_FORMATS,
    FieldFormatsPolicy,
    Format,
    default_policies,
    is_url,
    last_policies,
)
from callboard.errors import InvalidEntity


def entity(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "cart", **metadata},
        "spec": {"type": "service"},
    }


def enforce(value: dict[str, Any]) -> Any:
    for policy in (*default_policies(), *last_policies()):
        value = policy.enforce(value)
    return value


def refusal_of(value: dict[str, Any]) -> InvalidEntity:
    with pytest.raises(InvalidEntity) as caught:
        enforce(value)
    return caught.value


def test_the_order_of_the_policies() -> None:
    names = [policy.name for policy in default_policies()]

    assert names == ["schema", "default-namespace", "no-foreign-root-fields", "field-formats"]
    assert [policy.name for policy in last_policies()] == ["distinct-keys"]


def test_an_entity_without_a_namespace_gets_the_default_one_in_front() -> None:
    enforced = enforce(entity())

    assert list(enforced["metadata"].items()) == [("namespace", "default"), ("name", "cart")]


def test_everything_that_is_allowed_passes() -> None:
    value = entity(
        namespace="shop-1",
        uid="u",
        etag="e",
        generation=7,
        title="The Cart",
        description="Ünïcödé",
        labels={"tier": "1", "example.com/region": "", "a.b-c.d/E_f": "x_Y.z"},
        annotations={"example.com/a.b.c": "", "github.com/project-slug": "a/b\nc", "plain": "x" * 10_000},
        tags=["java", "c++", "c#", "a:b", "a-b"],
        links=[{"url": "https://host/x", "title": "T", "icon": "i", "type": "t"}, {"url": "mailto:me@host"}],
        extra={"any": [1, None]},
    )

    assert enforce(value) == value


@pytest.mark.parametrize(
    ("value", "reason", "pointer"),
    [
        (entity(title=None), "/metadata/title must be string", "/metadata/title"),
        (entity(title=""), "/metadata/title must NOT have fewer than 1 characters", "/metadata/title"),
        (entity(annotations={"num": 5}), "/metadata/annotations/num must be string", "/metadata/annotations/num"),
        (entity(labels={"k": True}), "/metadata/labels/k must be string", "/metadata/labels/k"),
        (entity(labels=[]), "/metadata/labels must be object", "/metadata/labels"),
        (entity(tags="java"), "/metadata/tags must be array", "/metadata/tags"),
        (entity(tags=[1]), "/metadata/tags/0 must be string", "/metadata/tags/0"),
        (entity(links=[{"title": "x"}]), "/metadata/links/0 must have required property 'url'", "/metadata/links/0"),
        ({**entity(), "spec": "x"}, "/spec must be object", "/spec"),
    ],
)
def test_a_malformed_envelope_is_refused(value: dict[str, Any], reason: str, pointer: str) -> None:
    error = refusal_of(value)

    assert str(error) == f"Malformed envelope, {reason}"
    assert error.pointer == pointer


def test_all_of_a_malformed_envelope_is_named() -> None:
    error = refusal_of(entity(title=None, description=None))

    assert str(error) == "Malformed envelope, /metadata/title must be string; /metadata/description must be string"


@pytest.mark.parametrize(("field", "content"), [("relations", []), ("status", {"items": []}), ("Spec", {})])
def test_another_field_at_the_root_is_refused_by_name(field: str, content: Any) -> None:
    error = refusal_of({**entity(), field: content})

    assert str(error) == f"Unknown field {field}"
    assert error.pointer == f"/{field}"


LONG = "x" * 63
TOO_LONG = "x" * 64


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "api_version",
            ["v1", "backstage.io/v1alpha1", "a-b.c/v1", f"{LONG}.io/v1"],
            ["", "/v1", "a/", "a/b/c", "A.io/v1", "a_b/v1", "a/v-1", f"a/{TOO_LONG}", f"{TOO_LONG}/v1", "v1\n"],
        ),
        ("kind", ["API", "a", "K8s", LONG], ["", "8k", "my-kind", "a b", TOO_LONG, "Äpi", "K\n"]),
        ("name", ["a", "A.b-c_d", "0", "a--b", LONG], ["", "-a", "a-", "a b", ".a", "a/b", "ä", TOO_LONG, "a\n"]),
        ("namespace", ["a", "a-b", "a--b", "0", LONG], ["", "A", "-a", "a-", "a.b", "a_b", TOO_LONG, "a\n"]),
        (
            "label_key",
            ["a", "A_b", "example.com/A.b", f"{LONG}/{LONG}", ".".join(["a" * 50] * 4) + "/x"],
            ["", "a b", "bad key!", "/a", "a/", "A.com/a", "a/b/c", "a..b/c", f"a/{TOO_LONG}", f"{TOO_LONG}/a"],
        ),
        ("annotation_key", ["backstage.io/view-url", "a"], ["a b", "", "-", ".".join(["a" * 50] * 6) + "/x"]),
        ("label_value", ["", "a", "A.b-c_d", LONG], [" ", "a b", "-a", TOO_LONG, "a\n"]),
        ("tag", ["a", "c++", "c#", "a:b", "a-b-c", LONG], ["", "A", "a--b", "-a", "a-", "a b", TOO_LONG, "a\n"]),
        (
            "url",
            ["https://host", "http://host:80/a b?c#d", "http://[::1]/x", "mailto:a@b", "ftp://u:p@host", "HTTPS:host"],
            ["", "not a url", "/path", "https://", "https://a b/", "http://host:80x/", "http://host:123456/", "://x"],
        ),
    ],
)
def test_formats_tell_good_from_bad(field: str, good: list[str], bad: list[str]) -> None:
    matches = getattr(DEFAULT_FORMATS, field).matches

    assert [text for text in good if not matches(text)] == []
    assert [text for text in bad if matches(text)] == []


@pytest.mark.parametrize(
    ("value", "shown", "found", "pointer"),
    [
        ({**entity(), "apiVersion": "a b"}, "apiVersion", "a b", "/apiVersion"),
        ({**entity(), "kind": "my-kind"}, "kind", "my-kind", "/kind"),
        (entity(name="bad name"), "metadata.name", "bad name", "/metadata/name"),
        (entity(namespace="Not Good!"), "metadata.namespace", "Not Good!", "/metadata/namespace"),
        (entity(labels={"bad key!": "x"}), "labels.bad key!", "bad key!", "/metadata/labels/bad key!"),
        (entity(labels={"a/b": "x y"}), "labels.a/b", "x y", "/metadata/labels/a~1b"),
        (entity(annotations={"a b": "x"}), "annotations.a b", "a b", "/metadata/annotations/a b"),
        (entity(tags=["ok", "UP"]), "tags.1", "UP", "/metadata/tags/1"),
        (entity(links=[{"url": "not a url"}]), "links.0.url", "not a url", "/metadata/links/0/url"),
    ],
)
def test_a_wrong_format_names_field_value_and_expectation(
    value: dict[str, Any], shown: str, found: str, pointer: str
) -> None:
    error = refusal_of(value)

    assert error.reason.startswith(f'"{shown}" is not valid; expected ')
    assert error.reason.endswith(f' but found "{found}"')
    assert error.pointer == pointer


def test_all_wrong_formats_are_named() -> None:
    error = refusal_of(entity(name="a b", tags=["Has Space", "fine", "UPPER"]))

    assert error.reason.count("is not valid") == 3


def test_an_installation_may_bring_its_own_formats() -> None:
    upper = Format(str.isupper, "upper case")
    policy = FieldFormatsPolicy(dataclasses.replace(DEFAULT_FORMATS, tag=upper))

    policy.enforce(entity(tags=["UP"]))
    with pytest.raises(InvalidEntity, match="expected upper case but found"):
        policy.enforce(entity(tags=["low"]))


def test_a_long_hostile_url_is_judged_quickly() -> None:
    assert not is_url("http:" + "/" * 50_000 + "@" * 50_000)


def test_keys_that_differ_in_case_only_are_refused_wherever_they_are() -> None:
    value = entity(labels={"team": "a", "Team": "b"})
    value["spec"] = {"deep": [{"x": [{"Port": 1, "port": 2}]}]}

    refusal = refusal_of(value)

    assert refusal.pointer in ("/metadata/labels/Team", "/spec/deep/0/x/0/port")
    assert '"labels.Team" differs from the key "team" in case only' in str(refusal)
    assert '"spec.deep.0.x.0.port" differs from the key "Port" in case only' in str(refusal)


def test_the_same_key_in_two_objects_is_fine() -> None:
    value = entity(labels={"team": "a"}, annotations={"Team": "b"})

    assert enforce(value)["metadata"]["annotations"] == {"Team": "b"}
