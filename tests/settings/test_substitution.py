from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import Configuration, load
from callboard.settings.values import JsonValue

ENVIRON = {"NAME": "payments", "PADDED": " x \n", "EMPTY": "", "PORT": "7008", "FOLDER": "parts"}

Loaded = Callable[[str], Configuration]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    monkeypatch.chdir(tmp_path)

    def load_text(text: str) -> Configuration:
        Path("app-config.yaml").write_text(text, "utf-8")
        return load([Path("app-config.yaml")], ENVIRON)

    return load_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "payments"),
        ("${ NAME }", "payments"),
        ("https://${NAME}:${PORT}/", "https://payments:7008/"),
        ("${PADDED}", "x"),
        ("${EMPTY}", ""),
        ("$${NAME}", "${NAME}"),
        ("$${} and ${NAME}", "${} and payments"),
        ("${NAME:-other}", "payments"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-http://host:80/}", "http://host:80/"),
        ("${UNSET:-}", ""),
        ("$NAME", "$NAME"),
        ("${NAME", "${NAME"),
    ],
)
def test_variables_are_put_into_texts(loaded: Loaded, text: str, expected: str) -> None:
    assert loaded(f"key: '{text}'\n").root.plain() == {"key": expected}


def test_a_substituted_number_stays_a_text(loaded: Loaded) -> None:
    assert loaded("port: ${PORT}\n").root.plain() == {"port": "7008"}


def test_a_variable_that_is_not_set_makes_its_value_absent(loaded: Loaded) -> None:
    configuration = loaded("token: ${UNSET}\nlist: [a, '${UNSET}', b]\n")

    assert configuration.root.plain() == {"list": ["a", "b"]}
    assert configuration.warnings == ()


def test_a_gap_within_a_text_makes_it_absent_and_warns(loaded: Loaded) -> None:
    configuration = loaded("app:\n  url: https://${UNSET}/${NAME}\n")

    assert configuration.root.plain() == {"app": {}}
    assert configuration.warnings == ("app-config.yaml:2: app.url: counts as not given, since ${UNSET} is not set",)


def test_keys_are_not_substituted(loaded: Loaded) -> None:
    assert loaded("'${NAME}': 1\n").root.plain() == {"${NAME}": 1}


def test_env_takes_a_variable_or_nothing(loaded: Loaded) -> None:
    configuration = loaded("a: {$env: PADDED}\nb: {$env: UNSET}\n")

    assert configuration.root.plain() == {"a": "x"}


def test_file_takes_a_text_and_leaves_its_end_off(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/token.txt").write_text("  s3cret ${NAME}\n\n", "utf-8")

    assert loaded("token: {$file: '${FOLDER}/token.txt'}\n").root.plain() == {"token": "  s3cret ${NAME}"}


@pytest.mark.parametrize("name", ["part.yaml", "part.yml", "part.json"])
def test_include_takes_a_document(loaded: Loaded, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"a": {"b": ["${NAME}", 2]}}', "utf-8")

    assert loaded(f"key: {{$include: {name}}}\n").root.plain() == {"key": {"a": {"b": ["payments", 2]}}}


def test_include_takes_a_part_of_a_document(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text("a:\n  b: {c: 1}\n", "utf-8")

    assert loaded('key: {$include: "part.yaml#a.b"}\n').root.plain() == {"key": {"c": 1}}


def test_include_takes_the_text_of_any_other_file(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "part.pem").write_text("-----\nx: y\n", "utf-8")

    assert loaded("key: {$include: part.pem}\n").root.plain() == {"key": "-----\nx: y"}


def test_a_whole_file_can_be_an_include(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("app: {title: Base}\n", "utf-8")

    assert loaded("$include: base.yaml\n").root.plain() == {"app": {"title": "Base"}}


def test_an_included_file_names_files_from_its_own_folder(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/outer.yaml").write_text("inner: {$include: inner.yaml}\n", "utf-8")
    (tmp_path / "parts/inner.yaml").write_text("\nvalue: 1\n", "utf-8")

    inner = loaded("outer: {$include: parts/outer.yaml}\n").root.entries()["outer"].entries()["inner"]

    assert inner.plain() == {"value": 1}
    assert str(inner.entries()["value"].position) == "parts/inner.yaml:2"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{$file: gone.txt}", "$file: gone.txt can't be read: No such file or directory"),
        ("{$file: latin.txt}", "$file: latin.txt is not UTF-8 text"),
        ("{$file: '${UNSET}'}", "$file: a variable in '${UNSET}' is not set"),
        ("{$file: 3}", "$file: expected a text, got 3"),
        ("{$env: [A]}", "$env: expected a text, got a list"),
        ("{$env: NAME, other: 1}", "$env must stand alone, without other keys beside it"),
        ("{$include: gone.yaml}", "$include: gone.yaml can't be read: No such file or directory"),
        ('{$include: "part.yaml#a.c"}', "$include: part.yaml has no 'a.c'"),
        ('{$include: "part.yaml#a.b.c"}', "$include: part.yaml has no 'a.b.c'"),
        ("{$include: bad.yaml}", "$include: bad.yaml:2: did not find expected node content"),
        ("{$include: circle.yaml}", "$include is nested more than 20 times; is there a circle?"),
    ],
)
def test_what_can_not_be_borrowed_is_named_with_file_and_line(
    loaded: Loaded, tmp_path: Path, value: JsonValue, reason: str
) -> None:
    (tmp_path / "part.yaml").write_text("a: {b: 1}\n", "utf-8")
    (tmp_path / "bad.yaml").write_text("a: [\n", "utf-8")
    (tmp_path / "circle.yaml").write_text("$include: circle.yaml\n", "utf-8")
    (tmp_path / "latin.txt").write_bytes("Köln".encode("latin-1"))

    with pytest.raises(InvalidConfiguration) as refusal:
        loaded(f"backend:\n  secret: {value}\n")

    (line,) = str(refusal.value).splitlines()
    source = "circle.yaml:1" if "circle" in str(value) else "app-config.yaml:2"
    assert line == f"{source}: backend.secret: {reason}"
