from pathlib import Path

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import load
from callboard.settings.values import JsonValue


def write(folder: Path, **files: str) -> list[Path]:
    paths = [folder / f"{name}.yaml" for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text, "utf-8")
    return paths


def overridden(**environ: str) -> JsonValue:
    return load([], environ).root.plain()


def test_nothing_at_all_is_an_empty_configuration() -> None:
    assert load([], {}).root.plain() == {}


def test_objects_merge_and_lists_and_scalars_are_replaced(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        base="a: {b: 1, c: [1, 2], d: {e: 1}}\nf: x\n",
        local="a: {b: 2, c: [3], d: {g: 2}}\n",
    )

    assert load(files, {}).root.plain() == {"a": {"b": 2, "c": [3], "d": {"e": 1, "g": 2}}, "f": "x"}


def test_merged_values_keep_their_own_positions(tmp_path: Path) -> None:
    files = write(tmp_path, base="a:\n  b: 1\n", local="a:\n\n  c: 2\n")

    entries = load(files, {}).root.entries()["a"].entries()

    assert str(entries["b"].position) == f"{files[0]}:2"
    assert str(entries["c"].position) == f"{files[1]}:3"


def test_an_absent_value_does_not_hide_an_earlier_layer(tmp_path: Path) -> None:
    files = write(tmp_path, base="a: {b: 1}\n", local="a: {b: '${UNSET}'}\n")

    assert load(files, {}).root.plain() == {"a": {"b": 1}}


def test_null_takes_back_an_earlier_layer(tmp_path: Path) -> None:
    files = write(tmp_path, base="a: {b: {c: 1}}\n", local="a: {b: null}\n")

    assert load(files, {}).root.plain() == {"a": {"b": None}}


def test_every_file_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, broken="a: 1\nb: [\n", rootless="- a\n")
    gone = tmp_path / "gone.yaml"

    with pytest.raises(InvalidConfiguration) as refusal:
        load([*files, gone], {})

    assert str(refusal.value).splitlines() == [
        f"{files[0]}:3: did not find expected node content",
        f"{files[1]}:1: expected an object of sections, got a list",
        f"{gone}: can't be read: No such file or directory",
    ]


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("city: Köln\n".encode("latin-1"))

    with pytest.raises(InvalidConfiguration, match="is not UTF-8 text"):
        load([path], {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("42", 42),
        ('"42"', "42"),
        ("hello", "hello"),
        ("NaN", "NaN"),
        ('{"x": [1]}', {"x": [1]}),
        ("${HOME}", "${HOME}"),
        ("null", None),
    ],
)
def test_an_override_is_json_or_else_a_text(text: str, expected: JsonValue) -> None:
    assert overridden(APP_CONFIG_a_b=text) == {"a": {"b": expected}}


def test_overrides_nest_by_underscores_and_keep_case() -> None:
    environ = {
        "APP_CONFIG_catalog_orphanStrategy": "delete",
        "APP_CONFIG_catalog_readonly": "true",
        "APP_CONFIG_techdocs_my-key": "1",
        "OTHER_catalog_readonly": "false",
    }

    assert overridden(**environ) == {
        "catalog": {"orphanStrategy": "delete", "readonly": True},
        "techdocs": {"my-key": 1},
    }


def test_an_override_goes_before_the_files_and_an_empty_one_says_nothing(tmp_path: Path) -> None:
    files = write(tmp_path, base="app: {title: File, other: 1}\n")

    configuration = load(files, {"APP_CONFIG_app_title": "Environment", "APP_CONFIG_app_other": ""})

    assert configuration.root.plain() == {"app": {"title": "Environment", "other": 1}}


@pytest.mark.parametrize("name", ["APP_CONFIG_", "APP_CONFIG_a__b", "APP_CONFIG_1a", "APP_CONFIG_a_"])
def test_an_override_that_is_no_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"^{name}: expected APP_CONFIG_ and the keys"):
        overridden(**{name: "1"})


def test_an_override_inside_of_another_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="APP_CONFIG_a_b_c: says something inside of what APP_CONFIG_a_b"):
        overridden(APP_CONFIG_a_b='{"d": 1}', APP_CONFIG_a_b_c="1")


def test_the_database_url_of_the_environment_goes_before_everything(tmp_path: Path) -> None:
    files = write(tmp_path, base="backend: {database: {client: better-sqlite3, connection: ':memory:'}}\n")

    configuration = load(
        files,
        {
            "CALLBOARD_DATABASE_URL": "postgresql://host/catalog",
            "APP_CONFIG_backend_database_connection": "postgresql://other/catalog",
        },
    )

    assert configuration.root.plain() == {
        "backend": {"database": {"client": "pg", "connection": "postgresql://host/catalog"}}
    }
