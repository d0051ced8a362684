import socket

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callboard.cli.get import as_yaml
from callboard.model import json
from callboard.model.documents import parse_documents
from callboard.model.json import JsonObject
from tests.cli.conftest import Run, Server

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3)) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(bool), inner, max_size=4),
    max_leaves=10,
)


def test_get_prints_yaml_that_begins_with_what_it_is(server: Server, callboard: Run) -> None:
    printed = callboard("get", "Component:cashier", "--server", server.url)

    assert printed.returncode == 0
    assert printed.stdout.startswith("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: cashier\n")
    assert "  owner: coin-counters\n" in printed.stdout


def test_get_prints_the_same_as_json(server: Server, callboard: Run) -> None:
    as_json = callboard("get", "component:default/cashier", "--output", "json", "--server", server.url)
    yaml = callboard("get", "component:default/cashier", "--server", server.url)

    assert as_json.stdout.count("\n") == 1
    assert json.decode(as_json.stdout) == parse_documents(yaml.stdout)[0].value


def test_get_of_what_is_not_there_fails_with_the_servers_words(server: Server, callboard: Run) -> None:
    missing = callboard("get", "component:nobody", "--server", server.url)

    assert missing.returncode == 1
    assert missing.stdout == ""
    assert missing.stderr == (
        "callboard: No entity named 'nobody' found, with kind 'component' in namespace 'default'\n"
    )


def test_get_without_a_server_says_which_one_it_can_not_reach(callboard: Run) -> None:
    # The port is held and nobody listens.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"

        failed = callboard("get", "component:cashier", "--server", url)

    assert failed.returncode == 1
    assert failed.stderr.startswith(f"callboard: can't reach {url}: ")
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["cashier"], "missing or empty kind"), (["component:a", "--server", "portal"], "not the URL of a server")],
)
def test_get_refuses_what_it_can_not_use(arguments: list[str], words: str, callboard: Run) -> None:
    refused = callboard("get", *arguments)

    assert refused.returncode == 1
    assert words in refused.stderr


def test_yaml_has_the_order_in_which_people_write() -> None:
    entity = {
        "metadata": {"uid": "u", "etag": "e", "x": 1, "tags": [], "title": "T", "name": "n", "namespace": "default"},
        "relations": [],
        "more": True,
        "spec": {"owner": "o"},
        "apiVersion": "v1",
        "kind": "K",
    }

    keys = [line.split(":")[0].strip() for line in as_yaml(entity).splitlines()]

    assert keys == [
        *("apiVersion", "kind", "metadata"),
        *("name", "namespace", "title", "tags", "x", "uid", "etag"),
        *("spec", "owner", "relations", "more"),
    ]


def test_a_text_of_several_lines_stays_readable() -> None:
    assert as_yaml({"spec": {"definition": "openapi: 3\ninfo: {}\n"}}) == (
        "spec:\n  definition: |\n    openapi: 3\n    info: {}\n"
    )


def test_equal_parts_are_written_out_each_time() -> None:
    shared = {"a": "b"}

    assert "&" not in as_yaml({"spec": {"one": shared, "two": shared}})


@given(st.dictionaries(st.sampled_from(["kind", "metadata", "spec", "0"]), VALUES))
@example(
    {"spec": ["yes", "1e3", "0o17", "012", "2024-01-02", ".inf", "<<", "=", "~", "", " a", "a: b", "# a", "1_000"]}
)
@example({"spec": {"1e3": "a\n\n b \n", "null": "\n", "on": "x" * 300}})
@settings(max_examples=150, deadline=None)
def test_the_yaml_of_an_entity_means_that_entity(entity: JsonObject) -> None:
    assert parse_documents(as_yaml(entity))[0].value == entity
