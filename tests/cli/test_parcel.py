"""What is read from files before it is pushed, and where each complaint points."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callboard.cli import entity_files
from callboard.cli.parcel import Parcel
from callboard.model import json

ENTITY = '{"apiVersion": "v1", "kind": "API", "metadata": {"name": "%s"}}'
YAML = "apiVersion: v1\nkind: API\nmetadata: {name: %s}\n"


Fill = Callable[..., Parcel]


@pytest.fixture
def parcel_of(tmp_path: Path) -> Iterator[Fill]:
    """Makes a parcel of files, or of the whole folder."""
    with Parcel("ci", tmp_path) as parcel:

        def fill(*paths: Path) -> Parcel:
            for file in entity_files.find(paths or [tmp_path], tmp_path):
                parcel.take_in(file)
            return parcel

        yield fill


def refs(parcel: Parcel) -> list[str]:
    return [ref.partition("/")[2] for ref in parcel.refs]


def complaints(parcel: Parcel) -> list[str]:
    return [f"{problem.place}: {problem.reason}".replace("\\", "/") for problem in parcel.problems]


def test_a_directory_is_searched_for_files_of_every_notation(tmp_path: Path, parcel_of: Fill) -> None:
    for name, text in {
        "b/one.yaml": YAML % "one" + "---\n" + YAML % "two" + "---\n",
        "a.yml": YAML % "three",
        "c.json": ENTITY % "four",
        "d.json": f"[{ENTITY % 'five'},\n{ENTITY % 'six'}]",
        "e.ndjson": ENTITY % "seven" + "\n\n" + ENTITY % "eight",
        "f.json": ENTITY % "nine" + "\n" + ENTITY % "ten",
        ".hidden/no.yaml": "no",
        ".no.yaml": "no",
        "README.md": "no",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    parcel = parcel_of()

    assert complaints(parcel) == []
    assert refs(parcel) == ["three", "one", "two", "four", "five", "six", "seven", "eight", "nine", "ten"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path, parcel_of: Fill) -> None:
    (tmp_path / "a.yaml").write_text(YAML % "a")

    parcel = parcel_of(tmp_path / "a.yaml", tmp_path)

    assert len(parcel.rows) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [(YAML % "a", ["a"]), (ENTITY % "a" + "\n" + ENTITY % "b", ["a", "b"]), (f"\n[{ENTITY % 'a'}]", ["a"])],
)
def test_the_notation_of_a_file_without_a_telling_name_is_seen_from_its_text(
    text: str, found: list[str], tmp_path: Path, parcel_of: Fill
) -> None:
    (tmp_path / "catalog").write_text(text)

    assert refs(parcel_of(tmp_path / "catalog")) == found


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.yaml", "kind: [\n", "a.yaml:2: did not find expected node content, while parsing a flow node"),
        ("a.yaml", YAML % "x" + "---\n- 1\n", "a.yaml:5: <root> must be object - type: object"),
        ("a.yaml", YAML % "x" + "---\nkind: API\n", "a.yaml:5: <root> must have required property 'apiVersion'"),
        ("a.ndjson", ENTITY % "x" + "\n{oops\n", "a.ndjson:2: is not valid JSON"),
        ("a.json", '{\n"a": 1,\n}', "a.json:3: is not valid JSON: "),
        ("a.json", f"[\n{ENTITY % 'x'},\n7]", "a.json:3: <root> must be object"),
        ("a.json", "[\n{},\n\toops]", "a.json:3: is not valid JSON: Expecting value, column 2"),
        ("a.json", "nothing", "a.json:1: is not valid JSON: Expecting value, column 1"),
        ("a.json", b"[\xff]", "a.json:1: not UTF-8"),
    ],
)
def test_a_complaint_points_at_its_line(
    name: str, text: str | bytes, complaint: str, tmp_path: Path, parcel_of: Fill
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    parcel = parcel_of()

    assert any(found.startswith(f"{tmp_path}/{complaint}") for found in complaints(parcel)), complaints(parcel)


def test_a_file_that_nobody_may_read_is_a_complaint(tmp_path: Path, parcel_of: Fill) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "nowhere")

    assert complaints(parcel_of(tmp_path / "a.yaml")) == [f"{tmp_path}/a.yaml:1: No such file or directory"]


def test_two_that_contradict_each_other_are_told_with_both_places(tmp_path: Path, parcel_of: Fill) -> None:
    (tmp_path / "a.yaml").write_text(YAML % "a" + "---\n" + YAML % "A")

    parcel = parcel_of()

    (complaint,) = complaints(parcel)
    assert f"a.yaml:5: is there twice, with different content; the other one is {tmp_path}/a.yaml:1" in complaint


def test_the_same_entity_twice_is_no_contradiction(tmp_path: Path, parcel_of: Fill) -> None:
    (tmp_path / "a.yaml").write_text(YAML % "a" + "---\n" + YAML % "a")

    parcel = parcel_of()

    assert (refs(parcel), complaints(parcel), len(list(parcel.good()))) == (["a"], [], 1)


def test_an_entity_must_not_say_that_it_comes_from_a_file_of_the_server(tmp_path: Path, parcel_of: Fill) -> None:
    annotations = '"annotations": {"backstage.io/managed-by-location": "file:/etc/passwd"}'
    (tmp_path / "a.json").write_text(ENTITY.replace('"name"', f'{annotations}, "name"') % "a")

    assert "must be a url: location" in complaints(parcel_of())[0]


def test_rows_are_kept_as_they_are_sent_and_can_be_read_again(tmp_path: Path, parcel_of: Fill) -> None:
    (tmp_path / "a.ndjson").write_text(ENTITY % "a" + "\n{}\n" + ENTITY % "b")
    parcel = parcel_of()

    first, second = list(parcel), list(parcel)

    assert first == second
    assert [json.decode(row) for row in first][1] == {}
    assert parcel.entity("api:default/b")["metadata"] == {
        "name": "b",
        "annotations": {
            "backstage.io/managed-by-location": "provider:ci",
            "backstage.io/managed-by-origin-location": "provider:ci",
        },
    }
    assert str(parcel.place_of("api:default/b")) == f"{tmp_path}/a.ndjson:3"
    assert str(parcel.place_of_row(2)) == f"{tmp_path}/a.ndjson:2"
    assert parcel.place_of("api:default/c") is None
    assert parcel.place_of_row(4) is None
