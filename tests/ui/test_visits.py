"""What templates make of what is not there."""

import pytest
from jinja2 import UndefinedError

from callboard.ui import visits


def rendered(template: str, **values: object) -> str:
    return visits.environment().from_string(template).render(**values)


@pytest.mark.parametrize("template", ["{{ e.spec.profile.email }}", "{% for x in e.tags %}{{ x }}{% endfor %}"])
def test_what_an_entity_does_not_have_is_nothing(template: str) -> None:
    assert rendered(template, e={"spec": {}}) == ""


@pytest.mark.parametrize("template", ["{{ nobody }}", "{% if nobody %}{% endif %}", "{{ e.nothing }}"])
def test_what_a_page_was_not_given_is_a_mistake(template: str) -> None:
    with pytest.raises(UndefinedError):
        rendered(template, e=object())


def test_what_entities_say_is_text_and_never_markup() -> None:
    assert rendered("{{ e.title }}", e={"title": "<script>"}) == "&lt;script&gt;"
