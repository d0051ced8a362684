"""Changes as bytes."""

import datetime as dt
import gzip
from dataclasses import replace

import pytest

from callboard.model import json
from callboard.model.changes import Change, ChangeType
from callboard.model.projection import parse_fields
from callboard.stream import forms
from callboard.stream.forms import Encodings, Form
from callboard.stream.pages import Page, Way

CHANGE = Change(
    offset=7,
    type=ChangeType.UPDATED,
    ref="component:default/a",
    uid="u",
    body=b'{"kind":"Component","spec":{"a":"b\\nc"}}',
    at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    cause='{"source":"provider:p"}',
)
REMOVED = replace(CHANGE, type=ChangeType.REMOVED, body=None, cause=None, left_filter=True)


def of(encodings: Encodings, change: Change, form: Form, epoch: str) -> bytes:
    """One change, told alone."""
    [piece] = encodings.pieces([change], form, epoch, whole=True)
    return piece


def test_an_event_is_json_in_one_line() -> None:
    written = forms.plain(CHANGE)

    assert b"\n" not in written
    assert json.decode(written) == {
        "offset": 7,
        "type": "updated",
        "entityRef": "component:default/a",
        "uid": "u",
        "at": "2026-01-01T00:00:00+00:00",
        "cause": {"source": "provider:p"},
        "entity": {"kind": "Component", "spec": {"a": "b\nc"}},
    }


def test_attributes_of_a_cloud_event_are_texts_in_small_letters() -> None:
    found = json.decode(forms.written(REMOVED, Form(source="http://catalog"), "e"))

    assert isinstance(found, dict)
    assert found.pop("data") is None
    assert found["reason"] == "left-filter"
    assert all(isinstance(value, str) and name.isascii() and name.islower() for name, value in found.items())


def test_a_frame_has_a_position_a_name_and_data() -> None:
    assert forms.framed(b"{}", event="added", at="e.1") == b"id: e.1\nevent: added\ndata: {}\n\n"
    assert forms.framed(b"{}", event="gone") == b"event: gone\ndata: {}\n\n"


def test_an_event_is_written_once_for_all_who_read_it_in_one_form() -> None:
    encodings = Encodings()

    first = of(encodings, CHANGE, Form(framed=True), "e")

    assert of(encodings, replace(CHANGE), Form(framed=True), "e") is first
    assert of(encodings, CHANGE, Form(framed=True), "f") != first
    assert of(encodings, CHANGE, Form(), "e") == forms.plain(CHANGE)
    assert of(encodings, REMOVED, Form(framed=True), "e") != first


def test_what_is_reduced_or_large_is_written_for_each() -> None:
    encodings = Encodings()
    large = replace(CHANGE, body=b'{"kind":"%b"}' % (b"x" * 100_000))
    kinds = Form(projection=parse_fields(["kind"]))

    assert b'"entity":{"kind":"Component"}' in of(encodings, CHANGE, kinds, "e")
    for change, form in ((CHANGE, kinds), (large, Form())):
        assert of(encodings, change, form, "e") is not of(encodings, change, form, "e")


def test_what_is_told_at_once_is_put_together_once() -> None:
    encodings = Encodings()
    run = [CHANGE, replace(CHANGE, offset=8)]

    [first] = encodings.pieces(run, Form(), "e", between=b",", whole=True)
    [again] = encodings.pieces(list(run), Form(), "e", between=b",", whole=True)
    [other] = encodings.pieces([CHANGE, replace(CHANGE, offset=8)], Form(), "e", between=b",", whole=True)

    assert first == b",".join(forms.plain(change) for change in run)
    assert again is first
    assert other == first
    assert other is not first


def page_of(count: int, way: Way | None = None) -> Page:
    changes = [replace(CHANGE, offset=number, body=b'{"kind":"%b"}' % (b"x" * 1000)) for number in range(count)]
    return Page(changes=changes, head=count, next_offset=count, epoch="e", way=way)


def test_a_page_is_compressed_once_for_all_who_get_it() -> None:
    encodings, page = Encodings(), page_of(5)

    plain, as_it_is = encodings.page(page, Form(), listed=False, whole=True)
    first, compressed = encodings.page(page, Form(), listed=False, whole=True, gzip=True)
    again, _ = encodings.page(page, Form(), listed=False, whole=True, gzip=True)

    assert (as_it_is, compressed) == (False, True)
    assert gzip.decompress(first) == plain
    assert again is first
    assert encodings.page(page, Form(), listed=False, whole=True)[0] is plain


@pytest.mark.parametrize(
    ("page", "form", "whole"),
    [
        (page_of(5), Form(), False),
        (page_of(5, Way(1, 2, is_long=False)), Form(), True),
        (page_of(5), Form(projection=parse_fields(["kind"])), True),
        (page_of(0), Form(), True),
    ],
)
def test_what_others_do_not_get_or_is_short_is_left_to_the_server_to_compress(
    page: Page, form: Form, *, whole: bool
) -> None:
    encodings = Encodings()

    body, compressed = encodings.page(page, form, listed=False, whole=whole, gzip=True)

    assert not compressed
    assert body == forms.paged(page, [forms.written(each, form, "e") for each in page.changes], listed=False)


def test_who_sees_less_is_told_less() -> None:
    encodings = Encodings()
    middle = replace(CHANGE, offset=8)
    run, seen = [CHANGE, middle, REMOVED], [CHANGE, replace(middle, left_filter=True, body=None), REMOVED]
    encodings.pieces(run, Form(), "e", whole=True)

    assert b"".join(encodings.pieces(seen, Form(), "e", whole=False)) == b"".join(map(forms.plain, seen))


def test_long_runs_come_in_pieces() -> None:
    encodings = Encodings()
    run = [replace(CHANGE, offset=number, body=b'{"kind":"%b"}' % (b"x" * 20_000)) for number in range(10)]

    pieces = encodings.pieces(run, Form(), "e", between=b"\n", whole=True)

    assert [len(piece.splitlines()) for piece in pieces] == [4, 4, 2]
    assert b"".join(pieces) == b"\n".join(map(forms.plain, run))
