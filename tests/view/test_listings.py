import pytest

from callboard.errors import InvalidInput
from callboard.model.predicates import Equals
from callboard.view.cursors import Window, parse_after
from callboard.view.listings import list_entities
from callboard.view.orders import Order, parse_order
from tests.view.samples import entity, names, view_of

VIEW = view_of(
    entity("zoo", rank=10),
    entity("ant", rank=9),
    entity("bee", rank="Apple"),
    entity("cat", rank=None),
    entity("ape", "API", tags=["x", "a"]),
    entity("bat", "API", tags=["m"]),
)
COMPONENTS = Equals("kind", "component")


def test_without_an_order_entities_are_listed_by_ref() -> None:
    assert names(list_entities(VIEW).bodies) == ["ape", "bat", "ant", "bee", "cat", "zoo"]
    assert names(list_entities(VIEW, COMPONENTS).bodies) == ["ant", "bee", "cat", "zoo"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("asc:metadata.rank", ["zoo", "ant", "bee"]), ("desc:METADATA.RANK", ["bee", "ant", "zoo"])],
)
def test_the_whole_list_leaves_out_what_lacks_the_field(order: str, expected: list[str]) -> None:
    orders = [parse_order(order), Order("kind")]

    assert names(list_entities(VIEW, COMPONENTS, orders=orders).bodies) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [("asc:metadata.rank", ["zoo", "ant", "bee", "cat"]), ("desc:METADATA.RANK", ["bee", "ant", "zoo", "cat"])],
)
def test_a_window_has_what_lacks_the_field_last(order: str, expected: list[str]) -> None:
    listing = list_entities(VIEW, COMPONENTS, orders=[parse_order(order)], window=Window(0, 10))

    assert names(listing.bodies) == expected
    assert listing.after is None


def test_a_window_honours_all_orders() -> None:
    orders = [Order("kind", descending=True), Order("metadata.rank"), Order("metadata.name")]

    listing = list_entities(VIEW, orders=orders, window=Window(0, 10))

    assert names(listing.bodies) == ["zoo", "ant", "bee", "cat", "ape", "bat"]


def test_an_order_by_what_nobody_has_lists_all_in_a_window_and_none_without() -> None:
    nothing = [Order("spec.nothing")]

    assert len(list_entities(VIEW, orders=nothing, window=Window(0, 10)).bodies) == 6
    assert not list_entities(VIEW, orders=nothing).bodies


@pytest.mark.parametrize(("descending", "expected"), [(False, ["ape", "bat"]), (True, ["ape", "bat"])])
def test_an_entity_with_many_values_is_listed_once(descending: bool, expected: list[str]) -> None:
    orders = [Order("metadata.tags", descending)]

    assert names(list_entities(VIEW, orders=orders).bodies) == expected


def test_windows_lead_from_one_to_the_next() -> None:
    listed: list[str | None] = []
    window: Window | None = Window(0, 4)
    while window is not None:
        listing = list_entities(VIEW, window=window)
        listed += names(listing.bodies)
        window = None if listing.after is None else parse_after(listing.after, Window())

    assert listed == ["ape", "bat", "ant", "bee", "cat", "zoo"]


def test_a_window_that_is_exactly_full_has_no_next() -> None:
    assert list_entities(VIEW, COMPONENTS, window=Window(0, 4)).after is None


def test_an_offset_without_a_limit_gives_the_rest() -> None:
    listing = list_entities(VIEW, COMPONENTS, window=Window(3))

    assert names(listing.bodies) == ["zoo"]
    assert listing.after is None


def test_beyond_the_end_there_is_nothing() -> None:
    assert not list_entities(VIEW, window=Window(1000, 2)).bodies


def test_only_visible_entities_are_listed() -> None:
    assert names(list_entities(VIEW, COMPONENTS, visible=Equals("metadata.name", "bee")).bodies) == ["bee"]


def test_an_after_cursor_overrides_the_request() -> None:
    assert parse_after("eyJsaW1pdCI6Mywib2Zmc2V0IjozfQ==", Window(1, 1)) == Window(3, 3)
    assert parse_after("eyJsaW1pdCI6M30", Window(1, 1)) == Window(1, 3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("eyJsaW1pdCI6IngifQ==", "Malformed after cursor, limit was not an number"),
        ("eyJvZmZzZXQiOi0xfQ==", "Malformed after cursor, offset was not a number"),
        ("W10=", "Malformed after cursor: it is not an object"),
        ("%%%", "Malformed after cursor: Only base64 data is allowed"),
    ],
)
def test_a_malformed_after_cursor_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_after(text, Window())

    assert str(refused.value) == complaint


@pytest.mark.parametrize("text", ["foo", "up:x", "asc:", "metadata.name"])
def test_a_malformed_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order(text)

    assert str(refused.value) == f'Invalid order parameter "{text}", expected "<asc or desc>:<field name>"'
