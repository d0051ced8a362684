"""Texts in some language, with colours."""

import pytest

from callboard.ui.sources import MOST_COLOURED, MOST_SHOWN, highlighted, is_cut
from tests.ui.conftest import words


@pytest.mark.parametrize("language", ["yaml", "json", "graphql", "grpc", "openapi", "no such language", ""])
def test_a_source_says_what_its_text_says(language: str) -> None:
    text = '{"a": "<script>alert(1)</script> & more"}'

    shown = highlighted(text, language)

    assert words(shown).replace(" ", "") == text.replace(" ", "")
    assert "<script>" not in shown


def test_colours_are_classes_and_never_styles() -> None:
    shown = highlighted("service Stock { rpc Watch (Empty) returns (stream Level); }", "grpc")

    assert '<span class="kd">service</span>' in shown
    assert "style=" not in shown


def test_a_large_text_is_shown_plainly_and_a_huge_one_cut() -> None:
    large, huge = "a: 1\n" * (MOST_COLOURED // 4), "x" * (MOST_SHOWN + 1)

    assert "<span" not in highlighted(large, "yaml")
    assert not is_cut(large)
    assert is_cut(huge)
    assert len(words(highlighted(huge, "yaml"))) == MOST_SHOWN
