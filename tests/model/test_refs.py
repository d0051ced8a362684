import hypothesis.strategies as st
import pytest
from hypothesis import given

from callboard.errors import InvalidRef
from callboard.model.refs import EntityRef, LocationRef


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("component:payments", "component:default/payments"),
        ("Component:Payments", "component:default/payments"),
        ("component:Shop/Payments", "component:shop/payments"),
        ("API:a.b-c_d", "api:default/a.b-c_d"),
        ("component:default/ÅNGSTRÖM", "component:default/ångström"),
        ("a:b:c/d/e", "a:b:c/d/e"),
        ("component:x:y", "component:default/x:y"),
    ],
)
def test_a_ref_has_one_canonical_form(text: str, canonical: str) -> None:
    assert str(EntityRef.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("payments", "group:shop/payments"),
        ("user:ada", "user:shop/ada"),
        ("other/payments", "group:other/payments"),
        ("other/x:y", "group:other/x:y"),
    ],
)
def test_the_context_supplies_what_a_short_ref_leaves_out(text: str, canonical: str) -> None:
    ref = EntityRef.parse(text, default_kind="Group", default_namespace="Shop")

    assert str(ref) == canonical


@pytest.mark.parametrize("text", ["payments", "default/payments", "default/x:y", ":payments", ":::", ""])
def test_a_ref_without_a_kind_needs_a_default(text: str) -> None:
    with pytest.raises(InvalidRef, match="missing or empty kind"):
        EntityRef.parse(text)


@pytest.mark.parametrize("text", ["component:", "component:/x", "component:x/", "component:/", ":x", ""])
def test_an_empty_part_is_refused(text: str) -> None:
    with pytest.raises(InvalidRef, match="Entity reference"):
        EntityRef.parse(text, default_kind="group" if not text.startswith(":") else None)


kinds = st.text(st.characters(exclude_characters=":/", exclude_categories=["Cs"]), min_size=1)
namespaces = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(kinds, namespaces, names)
def test_a_canonical_ref_is_read_back_as_it_was(kind: str, namespace: str, name: str) -> None:
    ref = EntityRef.parse(f"{kind}:{namespace}/{name}")

    assert EntityRef.parse(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("url:https://host/a.yaml", LocationRef("url", "https://host/a.yaml")),
        ("file:/srv/a:b.yaml", LocationRef("file", "/srv/a:b.yaml")),
        (" url : https://host/a.yaml ", LocationRef("url", "https://host/a.yaml")),
        ("custom:javascripts/x", LocationRef("custom", "javascripts/x")),
    ],
)
def test_a_location_is_a_type_and_a_target(text: str, location: LocationRef) -> None:
    assert LocationRef.parse(text) == location


@pytest.mark.parametrize("text", ["", "nonsense", ":x", "url:", "url: ", ":"])
def test_a_location_needs_both_parts(text: str) -> None:
    with pytest.raises(InvalidRef, match="expected '<type>:<target>'"):
        LocationRef.parse(text)


@pytest.mark.parametrize("text", ["https://host/a.yaml", "http://host/a.yaml"])
def test_a_forgotten_type_gets_a_hint(text: str) -> None:
    with pytest.raises(InvalidRef, match=f"please prefix it with 'url:', e.g. 'url:{text}'"):
        LocationRef.parse(text)


@pytest.mark.parametrize("target", ["javascript:alert(1)", "JavaScript:x", "\x01java\nscript:x", "java\tscript :x"])
def test_a_target_can_not_be_a_script(target: str) -> None:
    with pytest.raises(InvalidRef, match="can't be a script"):
        LocationRef.parse(f"url:{target}")


locations = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1)


@given(locations.filter(lambda kind: ":" not in kind and kind not in ("http", "https")), locations)
def test_a_location_is_read_back_as_it_was(kind: str, target: str) -> None:
    location = LocationRef(kind, f"/{target}")

    assert LocationRef.parse(str(location)) == location
