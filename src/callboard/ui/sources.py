"""Sources: texts in some language, with colours."""

import functools
from typing import Final

from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MOST_COLOURED: Final = 60_000
"""Characters of a text that is given colours, which takes some 0.6 ms for each thousand of them."""

MOST_SHOWN: Final = 200_000
"""Characters that a page shows at all."""

_LEXERS: Final = {
    "grpc": "protobuf", "proto": "protobuf", "trpc": "typescript", "openapi": "yaml", "asyncapi": "yaml", "wsdl": "xml",
}  # fmt: skip


def highlighted(text: str, language: str) -> Markup:
    """*text* as a block of source, coloured by `source.css`.

    *language* is one that Pygments knows, or a type of APIs. A text that is too large is shown without colours, or only
    its beginning: see `is_cut`.
    """
    shown = text[:MOST_SHOWN]
    lexer = _lexer(_LEXERS.get(language, language)) if len(shown) <= MOST_COLOURED else None
    inner = Markup.escape(shown) if lexer is None else _coloured(shown, lexer)
    return Markup('<pre class="source" tabindex="0"><code>{}</code></pre>').format(inner)


def is_cut(text: str) -> bool:
    """Whether `highlighted` leaves something out."""
    return len(text) > MOST_SHOWN


def _coloured(text: str, lexer: Lexer) -> Markup:
    return Markup(highlight(text, lexer, _formatter()))  # noqa: S704 - the formatter escapes what it was given


@functools.cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


@functools.lru_cache(maxsize=32)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
