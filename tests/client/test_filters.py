import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.client import filters
from callboard.client.filters import Filters, Query
from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.predicates import both, parse_filters, parse_query

WORDS = st.text("abcXYZ.-", min_size=1, max_size=5)
STATED = st.lists(
    st.dictionaries(WORDS, WORDS | st.just(True) | st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=3),
    max_size=3,
)


@pytest.mark.parametrize(
    ("stated", "texts"),
    [
        ((), []),
        ("kind=component,spec.type", ["kind=component,spec.type"]),
        ({"kind": "component", "spec.owner": True}, ["kind=component,spec.owner"]),
        ({"kind": ["component", "api"]}, ["kind=component,kind=api"]),
        ([{"kind": "user"}, "kind=group"], ["kind=user", "kind=group"]),
    ],
)
def test_filters_become_the_texts_that_backstage_knows(stated: Filters, texts: list[str]) -> None:
    assert filters.texts(stated) == texts


def test_a_filter_value_with_a_comma_is_refused_as_it_would_mean_something_else() -> None:
    with pytest.raises(InvalidInput, match="commas"):
        filters.texts({"metadata.title": "Shop, old"})


@pytest.mark.parametrize(
    ("stated", "query", "predicate"),
    [
        ((), None, None),
        ((), {}, {}),
        ({"kind": "api"}, None, {"kind": "api"}),
        ((), {"kind": "api"}, {"kind": "api"}),
        ({"kind": "api"}, {"$not": {"kind": "x"}}, {"$all": [{"$not": {"kind": "x"}}, {"kind": "api"}]}),
        ([{"kind": ["a", "b"]}, "c"], None, {"$any": [{"kind": {"$in": ["a", "b"]}}, {"c": {"$exists": True}}]}),
    ],
)
def test_filters_and_a_query_become_one_predicate(stated: Filters, query: Query | None, predicate: Query) -> None:
    assert filters.predicate(stated, query) == predicate


@given(STATED)
def test_a_server_reads_the_same_from_the_predicate_as_from_the_texts(stated: Filters) -> None:
    predicate = filters.predicate(stated, {"kind": "api"})

    sent = parse_query(json.decode(json.encode(predicate)))
    assert sent == both(parse_query({"kind": "api"}), parse_filters(filters.texts(stated)))
