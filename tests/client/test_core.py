from urllib.parse import unquote

import pytest

from callboard import errors
from callboard.client import changes, core, entities, locations
from callboard.errors import CallboardError, InvalidInput, InvalidRef, NotFound, Unavailable, Unreadable
from callboard.model import json


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:7007", "http://127.0.0.1:7007/api/catalog"),
        ("https://portal.example/", "https://portal.example/api/catalog"),
        ("https://portal.example/below/", "https://portal.example/below/api/catalog"),
        ("https://portal.example/api/catalog", "https://portal.example/api/catalog"),
    ],
)
def test_the_catalog_is_found_on_its_server(url: str, base: str) -> None:
    assert core.base_of(url) == base


@pytest.mark.parametrize(
    "url", ["", "portal", "portal:7007", "ftp://portal", "http://", "http://[::1", "http://portal:x"]
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="not the URL of a server"):
        core.base_of(url)


def test_a_ref_becomes_the_path_of_its_entity() -> None:
    call = entities.by_ref("Component:Payments")

    assert call.path == "/entities/by-name/component/default/payments"


def test_a_ref_can_not_lead_to_another_path() -> None:
    call = entities.by_ref("component:default/../../locations?x#y")

    assert call.path.count("/") == 5
    assert unquote(call.path).endswith("/component/default/../../locations?x#y")


def test_a_text_that_is_no_ref_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRef):
        entities.by_ref("payments")


def made(kind: type[CallboardError]) -> CallboardError:
    """An error of this class."""
    if issubclass(kind, errors.InvalidRows):
        return kind([{"row": 1, "reason": "because"}], 1)
    if issubclass(kind, errors.InvalidLocation):
        return kind([{"name": "InputError", "message": "because"}], 1)
    if issubclass(kind, errors.RemovalRefused):
        return kind("because", held=2, removed=1)
    return kind("because")


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CallboardError)]
)
def test_every_error_comes_back_as_the_class_that_was_raised(kind: type[CallboardError]) -> None:
    error = made(kind)
    described = errors.describe(error) | {"code": kind.code} | dict(error.details)

    with pytest.raises(CallboardError, match="because") as caught:
        entities.by_ref("component:a").result(500, json.encode({"error": described}))

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("InputError", 400, errors.InvalidInput),
        ("NotAllowedError", 403, errors.NotAllowed),
        ("NotFoundError", 404, errors.NotFound),
        ("ConflictError", 409, errors.Conflict),
        ("GoneError", 410, errors.Gone),
        ("ServiceUnavailableError", 503, errors.Unavailable),
        ("AuthenticationError", 401, errors.Unauthenticated),
        ("SyntaxError", 500, errors.CallboardError),
    ],
)
def test_the_errors_of_a_backstage_are_known_by_name_or_status(
    name: str, status: int, kind: type[CallboardError]
) -> None:
    with pytest.raises(CallboardError, match="why") as caught:
        locations.listing().result(status, json.encode({"error": {"name": name, "message": "why"}}))

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.CallboardError),
        (400, errors.InvalidInput),
        (401, errors.Unauthenticated),
        (404, errors.NotFound),
        (429, errors.Unavailable),
        (500, errors.CallboardError),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (504, errors.Unavailable),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>Oops</html>", b'{"error":"oops"}', b"[]"])
def test_an_answer_without_an_envelope_is_known_by_its_status(
    status: int, kind: type[CallboardError], content: bytes
) -> None:
    with pytest.raises(CallboardError, match=f"status {status}") as caught:
        locations.listing().result(status, content)

    assert type(caught.value) is kind


@pytest.mark.parametrize("content", [b"", b"<html>Welcome</html>", b"[]", b'{"events":[],"epoch":1}'])
def test_an_answer_that_is_not_that_of_a_catalog_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable, match="GET /events is not that of a catalog"):
        changes.events(0).result(200, content)


def test_an_error_has_no_more_than_its_message() -> None:
    envelope = json.encode({"error": {"name": "NotFoundError", "message": "no such thing", "stack": "at x.js:1"}})

    with pytest.raises(NotFound) as caught:
        locations.listing().result(404, envelope)

    assert str(caught.value) == "no such thing"


def test_an_unavailable_server_may_say_when_to_come_back() -> None:
    with pytest.raises(Unavailable) as caught:
        locations.listing().result(503, b"", {"retry-after": "7"})

    assert caught.value.retry_after == 7


def test_a_date_to_come_back_at_is_not_looked_at() -> None:
    with pytest.raises(Unavailable) as caught:
        locations.listing().result(503, b"", {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})

    assert caught.value.retry_after is None


@pytest.mark.parametrize("offset", ["", "-1", "12.5", "x", "²"])
def test_a_header_that_is_no_offset_counts_as_none(offset: str) -> None:
    listed = entities.listing().result(200, b"[]", {"callboard-offset": offset})

    assert listed.offset == 0


def test_a_token_may_be_another_one_for_each_request() -> None:
    tokens = iter(["first", "second"])

    sent = [core.headers(lambda: next(tokens))["authorization"] for _ in range(2)]

    assert sent == ["Bearer first", "Bearer second"]
