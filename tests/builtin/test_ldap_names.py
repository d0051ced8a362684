"""Distinguished names that are written in different ways."""

import pytest

from callboard.builtin.organisations.ldap.names import canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=jo,ou=people,dc=example", "UID=Jo , OU=People,DC=Example"),
        (r"cn=Smith\, Jo,ou=people", r"cn=Smith\2C Jo,ou=people"),
        (r"cn=Smith\, Jo,ou=people", 'cn="Smith, Jo",ou=people'),
        ("cn=Jo+uid=jo,ou=people", "uid=jo + cn=jo,ou=people"),
        (r"cn=\C3\85sa,ou=people", "cn=Åsa,ou=people"),
        ("cn=a;ou=b", "cn=a,ou=b"),
        ("cn=two  words,ou=b", "cn=Two words,ou=b"),
        ("OID.2.5.4.3=a,ou=b", "2.5.4.3=a,ou=b"),
    ],
)
def test_equal_names_are_equal(one: str, other: str) -> None:
    assert canonical(one) == canonical(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"cn=a\,ou=b,dc=c", "cn=a,ou=b,dc=c"),
        (r"cn=a\+uid=b,dc=c", "cn=a+uid=b,dc=c"),
        ("uid=jo,ou=a", "uid=jo,ou=b"),
        (r"cn=a\=b,dc=c", r"cn=a\\=b,dc=c"),
    ],
)
def test_different_names_are_different(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("text", ["", "jo", "uid=jo,people", "=x", "uid=jo,,ou=x", "cn=jo+x"])
def test_what_is_no_name_is_none(text: str) -> None:
    assert canonical(text) is None


@pytest.mark.parametrize("text", [r"cn=\FF\FE,ou=x", "cn=a\\", 'cn="', "cn=\ud800"])
def test_odd_characters_are_taken_as_they_are(text: str) -> None:
    assert canonical(text) is not None
