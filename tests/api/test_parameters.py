"""Query strings and bodies, checked."""

import pytest
from starlette.requests import Request

from callboard.api.parameters import Body, Known, Number, Text, body_of, query_of
from callboard.errors import InvalidInput

KNOWN: Known = {
    "name": Text(),
    "way": Text(choices=("in", "out")),
    "count": Number(minimum=1),
    "seconds": Number(whole=False),
}


def request(query: str = "", body: bytes = b"", content_type: str | None = "application/json") -> Request:
    """A request with this query string and body."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query.encode(), "headers": headers}
    return Request(scope, receive)


def test_parameters_are_read_by_their_types() -> None:
    asked = query_of(request("name=a&name=b%2Cc&count=3&seconds=0.5&way=in"), KNOWN)

    assert asked.texts("name") == ["a", "b,c"]
    assert asked.text("name") == "b,c"
    assert asked.integer("count") == 3
    assert asked.number("seconds") == 0.5
    assert asked.text("way") == "in"


def test_what_is_not_asked_for_is_not_there() -> None:
    asked = query_of(request(), KNOWN)

    assert (asked.texts("name"), asked.text("name"), asked.integer("count"), asked.number("seconds")) == (
        [],
        None,
        None,
        None,
    )


def test_brackets_behind_a_name_and_empty_values_among_others_do_not_count() -> None:
    asked = query_of(request("name[]=a&name=&name=b+c"), KNOWN)

    assert asked.texts("name") == ["a", "b c"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("other=1", "Unknown query parameter 'other'"),
        ("name", "Empty value found for query parameter 'name'"),
        ("name=&name=", "Empty value found for query parameter 'name'"),
        ("way=up", "request/query/way must be equal to one of the allowed values: in, out"),
        ("count=0", "request/query/count must be >= 1"),
        ("count=1.5", "request/query/count must be integer"),
        ("count=1_000", "request/query/count must be integer"),
        ("count=%D9%A3", "request/query/count must be integer"),
        ("count=1&count=2", "request/query/count must be integer, but is there 2 times"),
        ("seconds=nan", "request/query/seconds must be number"),
        ("seconds=inf", "request/query/seconds must be number"),
        ("seconds=-1", "request/query/seconds must be >= 0"),
    ],
)
def test_a_parameter_that_can_not_be_meant_is_refused_by_name(query: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        query_of(request(query), KNOWN)

    assert str(caught.value) == message


async def test_a_body_is_a_json_object() -> None:
    body = await body_of(request(body=b'{"a": 1}', content_type="Application/JSON; charset=utf-8"))

    assert body == Body({"a": 1})


async def test_no_body_is_an_empty_one_where_it_may_be_left_out() -> None:
    assert await body_of(request(content_type=None), optional=True) == Body({})


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", "application/json", "request/body must be object"),
        (b"[]", "application/json", "request/body must be object"),
        (b"null", "application/json", "request/body must be object"),
        (b"{", "application/json", "request/body is not valid JSON: "),
        (b'{"a": 1e400}', "application/json", "request/body is not valid JSON: "),
        (b"[" * 100_000, "application/json", "request/body is not valid JSON: "),
        (b"{}", "text/plain", "unsupported media type text/plain, expected application/json"),
        (b"{}", None, "unsupported media type (none), expected application/json"),
    ],
)
async def test_a_body_that_is_something_else_is_refused(body: bytes, content_type: str | None, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await body_of(request(body=body, content_type=content_type))

    assert str(caught.value).startswith(message)


def test_the_fields_of_a_body_have_their_types() -> None:
    body = Body({"text": "a", "texts": ["a", "b"], "count": 2, "none": None})

    assert (body.text("text"), body.text("none"), body.text("missing")) == ("a", None, None)
    assert (body.texts("texts"), body.texts("none"), body.texts("missing")) == (["a", "b"], [], [])
    assert (body.integer("count"), body.integer("none"), body.integer("missing")) == (2, None, None)
