"""The tree of errors: drawn as it is, answered for to the last one."""

import inspect
import re

from callboard import errors
from callboard.api.errors import STATUS, status_of
from callboard.errors import CallboardError


def children(error: type[CallboardError]) -> list[type[CallboardError]]:
    """The kinds of an error, but for those that a test has made up."""
    return [child for child in error.__subclasses__() if child.__module__ == errors.__name__]


def tree(error: type[CallboardError], depth: int = 0) -> list[tuple[int, str]]:
    """(depth, name) of a class and all below it."""
    below = [line for child in children(error) for line in tree(child, depth + 1)]
    return [(depth, error.__name__), *below]


def drawn() -> list[tuple[int, str]]:
    """The same, as the module's docstring draws it."""
    found = re.findall(r"^ {4}((?:[│ ]   )*(?:[├└]── )?)(\w+)", inspect.getdoc(errors) or "", re.MULTILINE)
    return [(len(branches) // 4, name) for branches, name in found]


def every_error() -> list[type[CallboardError]]:
    return [member for _, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, CallboardError)]


def test_the_drawing_shows_all_errors_where_they_are() -> None:
    assert drawn() == tree(CallboardError)


def test_no_two_errors_have_the_same_code() -> None:
    codes = [error.code for error in every_error()]

    assert len(set(codes)) == len(codes)


def test_the_code_of_an_error_is_its_name() -> None:
    for error in every_error():
        if error is not CallboardError:
            assert error.code == re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__).lower()


def test_every_error_has_an_http_status() -> None:
    statuses = {error.__name__: status_of(error.__new__(error)) for error in every_error()}

    assert statuses["InvalidRef"] == STATUS[errors.InvalidInput] == 400
    assert statuses["OffsetExpired"] == 410
    assert all(400 <= status < 600 for status in statuses.values())


def test_every_family_of_errors_has_a_status_of_its_own() -> None:
    assert set(children(CallboardError)) <= set(STATUS)


def test_an_error_is_described_with_what_caused_it() -> None:
    error = errors.NotAllowed("not you")
    error.__cause__ = KeyError("name")

    assert errors.describe(error) == {
        "name": "NotAllowedError",
        "message": "not you",
        "cause": {"name": "KeyError", "message": "'name'"},
    }


def test_the_place_of_a_broken_document_is_in_its_message() -> None:
    assert str(errors.InvalidDocument("no colon", line=3, column=7)) == "no colon at line 3, column 7"
    assert str(errors.InvalidDocument("no colon")) == "no colon"


def test_an_error_is_where_it_befell_something_unless_it_knows_better() -> None:
    plain = errors.NotAllowed("not you")
    pointed = errors.InvalidEntity("no owner", pointer="/spec/owner")
    elsewhere = errors.InvalidDocument("no colon", line=3, column=7).at("url:https://host/other.yaml")

    here = ("url:https://host/a.yaml", 12)
    assert errors.place_of(plain, *here) == {}
    assert errors.describe_with_places(plain, *here) == {
        "name": "NotAllowedError",
        "message": "not you",
        "location": "url:https://host/a.yaml",
        "line": 12,
    }
    assert errors.place_of(pointed, *here) == {
        "location": "url:https://host/a.yaml",
        "line": 12,
        "pointer": "/spec/owner",
    }
    assert errors.place_of(elsewhere, *here) == {"location": "url:https://host/other.yaml", "line": 3, "column": 7}


def test_an_error_is_where_its_cause_is_and_each_cause_at_its_own_place() -> None:
    error = RuntimeError("a processor failed")
    error.__cause__ = errors.InvalidEntity("can't be used", pointer="/spec/definition")
    error.__cause__.__cause__ = errors.InvalidDocument("no colon", line=3, column=7).at("url:https://host/api.yaml")
    error.__cause__.__cause__.__cause__ = KeyError("x")

    described = errors.describe_with_places(error, "url:https://host/a.yaml", 12)

    here = {"location": "url:https://host/a.yaml", "line": 12, "pointer": "/spec/definition"}
    assert described == {
        "name": "RuntimeError",
        "message": "a processor failed",
        **here,
        "cause": {
            "name": "InputError",
            "message": "can't be used",
            **here,
            "cause": {
                "name": "InputError",
                "message": "no colon at line 3, column 7",
                "location": "url:https://host/api.yaml",
                "line": 3,
                "column": 7,
                "cause": {"name": "KeyError", "message": "'x'"},
            },
        },
    }


def test_a_line_of_no_known_file_is_not_told() -> None:
    assert errors.describe_with_places(errors.InvalidDocument("no colon", line=3)).keys() == {"name", "message"}
    assert errors.describe_with_places(errors.InvalidEntity("no", pointer=""), None, 4)["pointer"] == ""


def test_what_an_error_and_its_causes_know_of_their_place_stays() -> None:
    known = errors.NotFound("gone").at("url:https://host/b.yaml", 4)
    error = errors.NotFound("can't be read")
    error.__cause__ = known

    error.at("url:https://host/a.yaml").at("url:https://host/c.yaml", 5)

    assert (error.location, error.line) == ("url:https://host/a.yaml", 5)
    assert (known.location, known.line) == ("url:https://host/b.yaml", 4)
