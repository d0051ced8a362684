"""Foreign clients against a started Callboard, of which one needs a browser."""

from tests.ui.browser.conftest import chromium

__all__ = ["chromium"]
