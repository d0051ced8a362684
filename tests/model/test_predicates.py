import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import InvalidInput
from callboard.model.facts import facts_of
from callboard.model.json import JsonValue
from callboard.model.predicates import (
    EVERYTHING,
    MAX_DEPTH,
    NOTHING,
    AllOf,
    AnyOf,
    Equals,
    Exists,
    HasPrefix,
    In,
    Not,
    Predicate,
    both,
    format_query,
    matches,
    parse_filters,
    parse_query,
)

KIND = Equals("kind", "component")


@pytest.mark.parametrize(
    ("filters", "predicate"),
    [
        (["kind=Component"], KIND),
        (["KIND = component "], KIND),
        (["spec.system"], Exists("spec.system")),
        (["spec.system="], Equals("spec.system", "")),
        (["a=b=c"], Equals("a", "b=c")),
        (["kind=component,spec.type=x"], AllOf((KIND, Equals("spec.type", "x")))),
        (["kind=api,kind=component"], In("kind", ("api", "component"))),
        (["kind=api,a=1,kind=component"], AllOf((In("kind", ("api", "component")), Equals("a", "1")))),
        (["Kind=api,kind=component"], AllOf((Equals("kind", "api"), KIND))),
        (["kind,kind=component"], KIND),
        (["kind=component", "a"], AnyOf((KIND, Exists("a")))),
        (["", "kind=component"], KIND),
        ([",", "kind=component"], KIND),
        ([","], None),
        ([], None),
    ],
)
def test_a_filter_is_a_conjunction_and_several_are_alternatives(
    filters: list[str], predicate: Predicate | None
) -> None:
    assert parse_filters(filters) == predicate


@pytest.mark.parametrize(("text", "statement"), [("=a", "=a"), ("kind=x, =b ", "=b"), ("=", "=")])
def test_a_statement_without_a_key_is_refused(text: str, statement: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filters([text])

    assert str(refused.value) == (
        f"Invalid filter, '{statement}' is not a valid statement (expected a string on the form a=b or a= or a)"
    )


@pytest.mark.parametrize(
    ("query", "predicate"),
    [
        ({}, EVERYTHING),
        ({"$all": []}, EVERYTHING),
        ({"$any": []}, NOTHING),
        ({"Kind": "Component"}, KIND),
        ({"kind": "component", "n": 42}, AllOf((KIND, Equals("n", "42")))),
        ({"flag": True, "f": 1e21}, AllOf((Equals("flag", "true"), Equals("f", "1e+21")))),
        ({"$not": {"kind": "component"}}, Not(KIND)),
        ({"$all": [{"kind": "component"}]}, AllOf((KIND,))),
        ({"$any": [{"kind": "component"}, {"a": {"$exists": True}}]}, AnyOf((KIND, Exists("a")))),
        ({"a": {"$exists": False}}, Not(Exists("a"))),
        ({"a": {"$in": ["X", 1, False]}}, In("a", ("x", "1", "false"))),
        ({"a": {"$in": []}}, In("a", ())),
        ({"a": {"$hasPrefix": "100%"}}, HasPrefix("a", "100%")),
        ({"metadata.tags": {"$contains": "Java"}}, Equals("metadata.tags", "java")),
        ({"relations": {"$contains": {"type": "ownedBy"}}}, Exists("relations.ownedby")),
        (
            {"relations": {"$contains": {"type": "ownedBy", "targetRef": "Group:default/a"}}},
            Equals("relations.ownedby", "group:default/a"),
        ),
        (
            {"relations": {"$contains": {"type": "ownedBy", "targetRef": {"$in": ["a", "b"]}}}},
            In("relations.ownedby", ("a", "b")),
        ),
        ({"a": {"$in": ["x"], "$exists": True}}, Exists("a")),
    ],
)
def test_a_query_object_is_read(query: JsonValue, predicate: Predicate) -> None:
    assert parse_query(query) == predicate


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        (5, "Invalid query: expected an object, received 5"),
        (None, "Invalid query: expected an object, received null"),
        ([], "Invalid query: expected an object, received a list"),
        ({"a": None}, 'Invalid query: "a" expects a text, a number, a boolean or an operator, received null'),
        ({"a": []}, 'Invalid query: "a" expects a text, a number, a boolean or an operator, received a list'),
        ({"a": {}}, 'Invalid query: "a" has no known operator, expected one of $exists, $in, $contains, $hasPrefix'),
        (
            {"a": {"$like": "x"}},
            'Invalid query: "a" has no known operator, expected one of $exists, $in, $contains, $hasPrefix',
        ),
        ({"a": {"$in": "x"}}, 'Invalid query: "a" has an operand that "$in" can\'t take'),
        ({"a": {"$in": [None]}}, 'Invalid query: "a" has an operand that "$in" can\'t take'),
        ({"a": {"$exists": "yes"}}, 'Invalid query: "a" has an operand that "$exists" can\'t take'),
        ({"a": {"$hasPrefix": 1}}, 'Invalid query: "a" has an operand that "$hasPrefix" can\'t take'),
        ({"a": {"$contains": None}}, 'Invalid query: "a" has an operand that "$contains" can\'t take'),
        ({"$not": {"kind": "x"}, "a": "b"}, 'Invalid query: "$not" must be the only key of its object'),
        ({"$all": {}}, 'Invalid query: "$all" expects a list, received an object'),
        ({"$in": ["x"]}, 'Invalid query: unknown operator "$in", expected "$all", "$any" or "$not"'),
        (
            {"metadata.tags": {"$contains": {"a": 1}}},
            'Object form of $contains is not supported for field "metadata.tags"',
        ),
        (
            {"relations": {"$contains": {"targetRef": "x"}}},
            'The $contains operator for "relations" requires a "type" string property',
        ),
        (
            {"relations": {"$contains": {"type": "x", "target": "y"}}},
            'The $contains operator for "relations" does not support the property "target"',
        ),
        (
            {"relations": {"$contains": {"type": "x", "targetRef": None}}},
            'The $contains operator for "relations" expects "targetRef" to be a ref or {"$in": [refs]}',
        ),
    ],
)
def test_a_wrong_query_is_refused_with_the_reason(query: JsonValue, complaint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_query(query)

    assert str(refused.value) == complaint


def test_a_query_that_is_nested_without_end_is_refused() -> None:
    query: JsonValue = {"kind": "component"}
    for _ in range(MAX_DEPTH):
        query = {"$not": query}

    with pytest.raises(InvalidInput, match="nested deeper than"):
        parse_query(query)


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (EVERYTHING, True),
        (NOTHING, False),
        (KIND, True),
        (Equals("spec.system", ""), False),
        (Exists("spec.system"), True),
        (Exists("spec.nothing"), False),
        (Not(Exists("spec.nothing")), True),
        (Equals("metadata.tags", "JAVA"), True),
        (In("metadata.tags", ("rust", "Go")), True),
        (In("metadata.tags", ()), False),
        (In("spec.nothing", ("x",)), False),
        (HasPrefix("metadata.title", "shop"), True),
        (HasPrefix("metadata.title", "cart"), False),
        (AllOf((KIND, Equals("kind", "api"))), False),
        (AnyOf((KIND, Equals("kind", "api"))), True),
    ],
)
def test_a_predicate_is_about_the_facts(predicate: Predicate, expected: bool) -> None:
    facts = facts_of(
        {
            "kind": "Component",
            "metadata": {"name": "cart", "title": "Shopping Cart", "tags": ["java", "Go"]},
            "spec": {"system": None},
        }
    )

    assert matches(predicate, facts) is expected


def test_both_of_two_predicates_leaves_out_what_says_nothing() -> None:
    assert both(None, None) is None
    assert both(KIND, None) == KIND
    assert both(None, KIND) == KIND
    assert both(KIND, Exists("a")) == AllOf((KIND, Exists("a")))


def test_a_key_that_no_query_can_name_still_finds_nothing_when_written_as_one() -> None:
    predicate = parse_filters(["$all=x"])

    assert predicate == Equals("$all", "x")
    assert parse_query(format_query(predicate)) == NOTHING


KEYS = st.text(max_size=5).filter(lambda key: not key.startswith("$"))
TEXTS = st.text(max_size=5)
PREDICATES: st.SearchStrategy[Predicate] = st.recursive(
    st.builds(Equals, KEYS, TEXTS)
    | st.builds(In, KEYS, st.lists(TEXTS, max_size=3).map(tuple))
    | st.builds(HasPrefix, KEYS, TEXTS)
    | st.builds(Exists, KEYS),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=10,
)


@given(PREDICATES)
def test_a_predicate_survives_being_written_as_a_query(predicate: Predicate) -> None:
    assert parse_query(format_query(predicate)) == predicate
