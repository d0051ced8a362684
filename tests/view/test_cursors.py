import base64
import json

from callboard.model.predicates import parse_filters
from callboard.view.cursors import Cursor, Place, Query, format_cursor, parse_cursor
from callboard.view.orders import Order
from callboard.view.texts import TextSearch

CURSOR = Cursor(
    query=Query(
        predicate=parse_filters(["kind=component"]),
        order=Order("metadata.name"),
        text=TextSearch("e", ("metadata.name",)),
    ),
    place=Place("edge-kind-case", "e4aec0b2-871e-45e1-85fd-5e286206409d"),
    backwards=False,
    first=Place("bad-ref", "1492c329-210c-48ec-92bc-2a952c15d1a4"),
    total=25,
)


def test_a_cursor_is_the_json_that_backstage_writes() -> None:
    assert json.loads(base64.b64decode(format_cursor(CURSOR))) == {
        "orderFields": [{"field": "metadata.name", "order": "asc"}],
        "isPrevious": False,
        "query": {"kind": "component"},
        "fullTextFilter": {"term": "e", "fields": ["metadata.name"]},
        "orderFieldValues": ["edge-kind-case", "e4aec0b2-871e-45e1-85fd-5e286206409d"],
        "firstSortFieldValues": ["bad-ref", "1492c329-210c-48ec-92bc-2a952c15d1a4"],
        "totalItems": 25,
    }


def test_a_cursor_says_the_same_when_it_comes_back() -> None:
    by_uid = Cursor(query=Query(), place=Place(None, "u2"), backwards=True, first=Place(None, "u1"), total=None)

    assert parse_cursor(format_cursor(CURSOR)) == CURSOR
    assert parse_cursor(format_cursor(by_uid)) == by_uid


def test_an_empty_text_search_means_none() -> None:
    content = json.loads(base64.b64decode(format_cursor(CURSOR)))
    content["fullTextFilter"] = {"term": ""}

    cursor = parse_cursor(base64.b64encode(json.dumps(content).encode()).decode())

    assert cursor.query.text is None
