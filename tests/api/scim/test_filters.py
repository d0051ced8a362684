"""Which resources a filter is true of."""

import pytest

from callboard.api.scim.filters import parse, parse_path
from callboard.api.scim.refusals import Refused
from callboard.api.scim.schemas import ENTERPRISE, USER
from callboard.model.json import JsonObject

SCHEMAS = [USER, ENTERPRISE]

JO: JsonObject = {
    "id": "Ab1",
    "userName": "Jo@Example.com",
    "externalId": "X1",
    "active": True,
    "age": 7,
    "name": {"familyName": "O'Malley", "givenName": "Jo"},
    "emails": [{"value": "jo@example.com", "type": "work"}, {"value": "jo@home.org", "type": "home"}],
    "members": [{"value": "u1"}, {"value": "u2"}],
    "tags": ["a", "b"],
    ENTERPRISE: {"department": "Payments", "manager": {"value": "m1"}},
    "meta": {"lastModified": "2026-05-13T04:42:34Z"},
}


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "jo@example.com"',
        'USERNAME Eq "JO@example.com"',
        f'{USER}:userName sw "jo"',
        'name.familyName co "mall"',
        'name.familyName eq "O\'Malley"',
        'userName ew ".com" and active eq true',
        'userName eq "x" or (active eq True and title ne "boss")',
        "not (title pr)",
        "name pr and emails pr and tags pr",
        'emails[type eq "work" and value co "@example.com"]',
        'emails co "home.org"',
        'emails.type eq "home"',
        'members eq "u2"',
        'tags eq "b"',
        f'{ENTERPRISE}:department eq "payments"',
        f'{ENTERPRISE}:manager.value eq "m1"',
        'meta.lastModified gt "2026-05-13T04:42:33Z"',
        "age ge 7 and age le 7.0 and age lt 8 and age gt 6",
        "title eq null",
        'externalId eq "X1" and id eq "Ab1"',
        r'userName ne "\"quoted\" (and) [bracketed]"',
    ],
)
def test_a_filter_is_true_of_what_it_describes(text: str) -> None:
    assert parse(text, SCHEMAS).matches(JO)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "somebody"',
        'externalId eq "x1"',
        'id eq "ab1"',
        'active eq "true"',
        'emails[type eq "home" and value co "@example.com"]',
        "title pr",
        f"{ENTERPRISE}:division pr",
        "not (userName pr)",
        'age gt "6"',
        'active gt "a"',
        'userName eq "jo@example.com" and (title pr or age gt 100)',
    ],
)
def test_a_filter_is_not_true_of_others(text: str) -> None:
    assert not parse(text, SCHEMAS).matches(JO)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected more, found the end"),
        ("userName", "expected more, found the end"),
        ("userName is 5", "expected eq, ne, co, sw, ew, gt, ge, lt, le or pr, found is"),
        ("userName eq jo", "expected a text in quotes, a number, true, false or null, found jo"),
        ('userName eq "jo', "can't be read from"),
        ('userName eq "jo" and', "expected more"),
        ('(userName eq "jo"', r"expected \), found the end"),
        ('emails[type eq "work"', "expected ], found the end"),
        ('userName eq "jo")', r"expected the end, found \)"),
        ("not userName pr", r"expected \( behind not"),
        ("1x pr", "expected an attribute, found 1x"),
        ("(" * 2000 + "a pr" + ")" * 2000, "nested deeper than 30"),
        ("a pr or " * 2000 + "a pr", "longer than"),
    ],
)
def test_what_is_no_filter_is_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as raised:
        parse(text, SCHEMAS)

    assert raised.value.kind == "invalidFilter"


@pytest.mark.parametrize("text", ["", "a[", 'a[b eq "c"]d', "a.b.c", "a b", 'a[b eq "c"].'])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Refused) as raised:
        parse_path(text, SCHEMAS)

    assert raised.value.kind == "invalidPath"
