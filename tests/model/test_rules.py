import pytest

from callboard.errors import InvalidConfiguration
from callboard.model.refs import EntityRef, LocationRef
from callboard.model.rules import AllowedKind, LocationMatch, Rule, Rules, refusal

ORIGIN = LocationRef("url", "https://github.com/org/repo/catalog-info.yaml")


def only_at(*locations: LocationMatch) -> Rules:
    return Rules([Rule(allow=(AllowedKind("Template"),), locations=locations)])


def at(pattern: str) -> Rules:
    return only_at(LocationMatch("url", pattern=pattern))


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [("Component", True), ("api", True), ("LOCATION", True), ("User", False), ("Group", False), ("Template", False)],
)
def test_the_default_rules_allow_components_apis_and_locations(kind: str, allowed: bool) -> None:
    assert Rules().allows(kind, None, ORIGIN) is allowed


def test_no_rules_allow_nothing() -> None:
    assert not Rules([]).allows("Component", None, ORIGIN)


def test_one_type_of_a_kind_can_be_allowed() -> None:
    rules = Rules([Rule(allow=(AllowedKind("Resource", "database"),))])

    assert rules.allows("resource", "database", ORIGIN)
    assert not rules.allows("Resource", "Database", ORIGIN)
    assert not rules.allows("Resource", None, ORIGIN)


def test_any_rule_that_matches_allows() -> None:
    rules = Rules(
        [
            Rule(allow=(AllowedKind("User"),), locations=(LocationMatch("file"),)),
            Rule(allow=(AllowedKind("User"),), locations=(LocationMatch("url", exact=ORIGIN.target),)),
        ]
    )

    assert rules.allows("User", None, ORIGIN)


def test_a_rule_with_an_empty_list_of_locations_holds_nowhere() -> None:
    assert not only_at().allows("Template", None, ORIGIN)


def test_a_location_matches_by_its_type_alone() -> None:
    rules = only_at(LocationMatch("url"))

    assert rules.allows("Template", None, ORIGIN)
    assert not rules.allows("Template", None, LocationRef("file", ORIGIN.target))


def test_an_exact_target_is_not_a_pattern() -> None:
    rules = only_at(LocationMatch("url", exact="https://github.com/org/*"))

    assert not rules.allows("Template", None, LocationRef("url", "https://github.com/org/x"))
    assert rules.allows("Template", None, LocationRef("url", "https://github.com/org/*"))


@pytest.mark.parametrize(
    "pattern",
    [
        "https://github.com/org/**",
        "https://GitHub.com/ORG/*/Catalog-Info.yaml",
        "https://github.com/**/catalog-info.yaml",
        "https://github.com/{org,other}/repo/*.yaml",
        "https://*/org/repo/catalog-info.y?ml",
    ],
)
def test_a_pattern_matches(pattern: str) -> None:
    assert at(pattern).allows("Template", None, ORIGIN)


@pytest.mark.parametrize(
    "pattern", ["https://github.com/org/*", "github.com/org/**", "https://github.com/org", "https://github.com/o/**"]
)
def test_a_pattern_does_not_match_more_than_it_says(pattern: str) -> None:
    assert not at(pattern).allows("Template", None, ORIGIN)


def test_a_pattern_matches_dotfiles() -> None:
    rules = at("https://github.com/org/**/*.yaml")

    assert rules.allows("Template", None, LocationRef("url", "https://github.com/org/.github/.catalog.yaml"))


def test_a_pattern_does_not_match_a_climb_out_of_it() -> None:
    climbing = LocationRef("url", "https://github.com/org/../evil/template.yaml")

    assert not at("https://github.com/org/**").allows("Template", None, climbing)
    assert not at("https://github.com/org/*/*/template.yaml").allows("Template", None, climbing)


def test_exact_and_pattern_exclude_each_other() -> None:
    with pytest.raises(InvalidConfiguration, match=r"both exact: 'a' and pattern: 'b'"):
        only_at(LocationMatch("url", exact="a", pattern="b"))


def test_a_pattern_with_too_many_alternatives_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="too many alternatives"):
        at("https://h/{1..5000}")


def test_the_refusal_names_entity_location_and_origin() -> None:
    words = refusal(EntityRef.parse("user:ada"), LocationRef("url", "https://h/b.yaml"), ORIGIN)

    assert words == (
        "Entity user:default/ada at url:https://h/b.yaml, originated at "
        "url:https://github.com/org/repo/catalog-info.yaml, is not of an allowed kind for that location"
    )
