import pytest

from callboard.errors import InvalidInput
from callboard.model.predicates import Equals, parse_filters
from callboard.view.cursors import Query
from callboard.view.orders import Order, parse_order_field
from callboard.view.queries import Page, query, resume
from callboard.view.texts import TextSearch
from callboard.view.views import View
from tests.view.samples import entity, names, removed, uid_of, upserted, view_of

USERS = [entity(name, "User") for name in ("ada", "Bob.Builder", "carla", "loner")]
PETS = [entity(f"pet-{number}", rank=number) for number in range(7)]
VIEW = view_of(
    *USERS,
    entity("storefront", tags=["web", "java", "a"], title="Shop % front"),
    entity("cart", tags=["java"], title="Shopping Cart"),
    entity("nameless", tags=[], title=None),
)
BY_NAME = Order("metadata.name")
ONLY_USERS = parse_filters(["kind=user"])


def by_uid(*entities: str) -> list[str]:
    """These names in the order of the uids."""
    kinds = {"ada": "User", "Bob.Builder": "User", "carla": "User", "loner": "User"}
    return sorted(entities, key=lambda name: uid_of(entity(name, kinds.get(name, "Component"))))


def test_without_an_order_a_page_is_sorted_by_uid() -> None:
    page = query(VIEW, Query(predicate=ONLY_USERS))

    assert names(page.bodies) == by_uid("ada", "Bob.Builder", "carla", "loner")
    assert page.total == 4
    assert (page.next_cursor, page.previous_cursor) == (None, None)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order("METADATA.name"), ["ada", "Bob.Builder", "carla", "loner"]),
        (Order("metadata.name", descending=True), ["loner", "carla", "Bob.Builder", "ada"]),
    ],
)
def test_values_are_sorted_in_lower_case(order: Order, expected: list[str]) -> None:
    assert names(query(VIEW, Query(predicate=ONLY_USERS, order=order)).bodies) == expected


def test_a_limit_of_nothing_counts() -> None:
    page = query(VIEW, Query(predicate=ONLY_USERS), limit=0)

    assert page == Page(bodies=[], total=4)


def test_the_count_can_be_left_out() -> None:
    page = query(VIEW, Query(predicate=ONLY_USERS), limit=2, count=False)

    assert page.total == 0
    assert page.next_cursor is not None
    assert resume(VIEW, page.next_cursor).total == 0


def test_what_lacks_the_sort_field_is_neither_listed_nor_counted() -> None:
    page = query(VIEW, Query(order=Order("metadata.title")))

    assert names(page.bodies) == ["storefront", "cart"]
    assert page.total == 2


def test_a_sort_field_that_nobody_has_finds_nothing() -> None:
    assert query(VIEW, Query(order=Order("spec.nothing"))) == Page(bodies=[], total=0)


@pytest.mark.parametrize(("descending", "expected"), [(False, ["storefront", "cart"]), (True, ["storefront", "cart"])])
def test_an_entity_with_many_values_comes_once(descending: bool, expected: list[str]) -> None:
    page = query(VIEW, Query(order=Order("metadata.tags", descending)))

    assert names(page.bodies) == expected
    assert page.total == 2


def test_an_offset_skips_on_the_first_page_only() -> None:
    page = query(VIEW, Query(predicate=ONLY_USERS, order=BY_NAME), limit=2, offset=1)
    assert names(page.bodies) == ["Bob.Builder", "carla"]
    assert page.total == 4
    assert page.next_cursor is not None

    following = resume(VIEW, page.next_cursor, limit=2)
    assert names(following.bodies) == ["loner"]
    assert following.previous_cursor is not None

    back = resume(VIEW, following.previous_cursor, limit=2)
    assert names(back.bodies) == ["Bob.Builder", "carla"]
    assert back.previous_cursor is None


def test_an_offset_beyond_the_end_gives_nothing() -> None:
    assert query(VIEW, Query(predicate=ONLY_USERS), offset=100) == Page(bodies=[], total=4)


def test_pages_are_walked_forwards_and_backwards() -> None:
    view = view_of(*PETS)
    first = query(view, Query(order=BY_NAME), limit=3)
    assert names(first.bodies) == ["pet-0", "pet-1", "pet-2"]
    assert first.previous_cursor is None
    assert first.next_cursor is not None

    second = resume(view, first.next_cursor, limit=3)
    assert names(second.bodies) == ["pet-3", "pet-4", "pet-5"]
    assert second.next_cursor is not None

    third = resume(view, second.next_cursor, limit=3)
    assert names(third.bodies) == ["pet-6"]
    assert third.next_cursor is None
    assert third.previous_cursor is not None

    second_again = resume(view, third.previous_cursor, limit=3)
    assert second_again == second

    assert second_again.previous_cursor is not None
    first_again = resume(view, second_again.previous_cursor, limit=3)
    assert names(first_again.bodies) == ["pet-0", "pet-1", "pet-2"]
    assert first_again.previous_cursor is None
    assert first_again.next_cursor == first.next_cursor


def test_a_full_last_page_has_no_next() -> None:
    assert query(VIEW, Query(predicate=ONLY_USERS, order=BY_NAME), limit=4).next_cursor is None


def test_a_cursor_with_no_limit_keeps_the_total() -> None:
    cursor = query(VIEW, Query(predicate=ONLY_USERS), limit=1).next_cursor
    assert cursor is not None

    assert resume(VIEW, cursor, limit=0) == Page(bodies=[], total=4)


def test_entities_with_one_value_are_paged_by_uid() -> None:
    view = view_of(*(entity(f"e{number}", team="same") for number in range(5)))
    seen: list[str | None] = []
    page = query(view, Query(order=Order("metadata.team", descending=True)), limit=2)
    while True:
        seen += names(page.bodies)
        if page.next_cursor is None:
            break
        page = resume(view, page.next_cursor, limit=2)

    assert seen == by_uid("e0", "e1", "e2", "e3", "e4")[::-1]


def test_what_is_added_and_removed_meanwhile_disturbs_no_one_else() -> None:
    view = view_of(*PETS)
    page = query(view, Query(order=BY_NAME), limit=3)
    assert page.next_cursor is not None

    view.apply([removed(11, PETS[2]), upserted(12, entity("pet-00")), upserted(13, entity("pet-3b"))])
    following = resume(view, page.next_cursor, limit=3)

    assert names(following.bodies) == ["pet-3", "pet-3b", "pet-4"]
    assert following.total == 7


def test_walking_back_ends_although_the_first_entity_is_gone() -> None:
    view = view_of(*PETS)
    first = query(view, Query(order=BY_NAME), limit=3)
    assert first.next_cursor is not None
    second = resume(view, first.next_cursor, limit=3)
    assert second.previous_cursor is not None

    view.apply([removed(11, PETS[0])])
    back = resume(view, second.previous_cursor, limit=3)

    assert names(back.bodies) == ["pet-1", "pet-2"]
    assert back.previous_cursor is None


def test_a_cursor_into_what_is_gone_gives_an_empty_page() -> None:
    view = view_of(*PETS)
    cursor = query(view, Query(order=BY_NAME), limit=6).next_cursor
    assert cursor is not None

    view.apply([removed(11, PETS[6])])

    assert resume(view, cursor) == Page(bodies=[], total=7)


def test_a_cursor_never_carries_what_the_caller_may_see() -> None:
    page = query(VIEW, Query(predicate=ONLY_USERS, order=BY_NAME), limit=1, visible=Equals("metadata.name", "ada"))
    assert (names(page.bodies), page.total, page.next_cursor) == (["ada"], 1, None)

    cursor = query(VIEW, Query(predicate=ONLY_USERS, order=BY_NAME), limit=1).next_cursor
    assert cursor is not None
    assert names(resume(VIEW, cursor, visible=Equals("metadata.name", "carla")).bodies) == ["carla"]


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        (TextSearch("SHOP", ("metadata.title",)), None, {"storefront", "cart"}),
        (TextSearch(" cart ", ("metadata.title", "metadata.name")), None, {"cart"}),
        (TextSearch("java", ("metadata.tags",)), BY_NAME, {"storefront", "cart"}),
        (TextSearch("o"), BY_NAME, {"Bob.Builder", "loner", "storefront"}),
        (TextSearch("cart"), None, set()),
        (TextSearch("%", ("metadata.title",)), None, {"storefront"}),
        (TextSearch("_", ("metadata.title",)), None, set()),
        (TextSearch("x", ("spec.nothing",)), None, set()),
    ],
)
def test_a_text_is_found_anywhere_in_the_fields(text: TextSearch, order: Order | None, expected: set[str]) -> None:
    page = query(VIEW, Query(text=text, order=order))

    assert set(names(page.bodies)) == expected
    assert page.total == len(expected)


def test_a_blank_text_is_ignored() -> None:
    assert query(VIEW, Query(text=TextSearch("   "))).total == 7


def test_a_text_is_searched_on_every_page() -> None:
    page = query(VIEW, Query(text=TextSearch("o"), order=BY_NAME), limit=2)
    assert page.next_cursor is not None

    assert names(resume(VIEW, page.next_cursor).bodies) == ["storefront"]


def walk_cursor(view: View = VIEW) -> str:
    cursor = query(view, Query(predicate=ONLY_USERS, order=BY_NAME), limit=1).next_cursor
    assert cursor is not None
    return cursor


def test_a_cursor_survives_a_careless_url() -> None:
    assert names(resume(VIEW, walk_cursor().rstrip("="), limit=1).bodies) == ["Bob.Builder"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("zzz!", "Malformed cursor: Only base64 data is allowed"),
        ("W10=", "Malformed cursor: it is not an object"),
        ("e30=", "Malformed cursor: orderFields is not a list of fields with an order"),
        ("eyJvcmRlckZpZWxkcyI6W119", "Malformed cursor: isPrevious is not a boolean"),
        ("eyJvcmRlckZpZWxkcyI6W3siZmllbGQiOiJhIn1dfQ==", "Malformed cursor: orderFields is not a list of fields"),
        (
            "eyJvcmRlckZpZWxkcyI6W10sImlzUHJldmlvdXMiOmZhbHNlfQ==",
            "Malformed cursor: orderFieldValues does not fit the order",
        ),
    ],
)
def test_a_malformed_cursor_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        resume(VIEW, text)

    assert str(refused.value).startswith(complaint)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("metadata.name", Order("metadata.name")),
        ("metadata.name,asc", Order("metadata.name")),
        ("metadata.name,desc", Order("metadata.name", descending=True)),
    ],
)
def test_an_order_field_is_ascending_unless_it_says_otherwise(text: str, order: Order) -> None:
    assert parse_order_field(text) == order


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order_field("kind,foo")

    assert str(refused.value) == "Invalid order field order, must be asc or desc"
