"""The reference page of all settings, made from the sections themselves."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from callboard.settings import durations, forms, reading
from callboard.settings.forms import Shorthand
from callboard.settings.reading import Field
from callboard.settings.whole import Settings

_WIDTH = 118

_INTRODUCTION = """\
# Configuration

<!-- Made by `callboard.settings.describe()`; a test compares. Change the words in `src/callboard/settings/`. -->

Callboard reads the `app-config.yaml` dialect of Backstage. Sections that belong to other parts of Backstage (`auth`,
`techdocs`, `backend.csp`, …) may stand in the same file; they are left alone.

## How a value comes about

1. Several files are layers: objects merge key by key, lists and scalars of a later file replace those of an earlier
   one, and `null` takes back what an earlier file said.
2. `APP_CONFIG_…` environment variables come next. The rest of the name is the path of the setting with underscores for
   dots: `APP_CONFIG_catalog_readonly=true`. The value is JSON, or else a text.
3. `CALLBOARD_DATABASE_URL` says `backend.database.connection`.
4. Flags of the command line come last.

Within a file:

| notation | stands for |
|---|---|
| `${NAME}` in a text | the environment variable; where it is not set, the whole text counts as not given |
| `${NAME:-text}` | the variable, or *text* where it is not set or empty |
| `$${NAME}` | `${NAME}` itself |
| `{$env: NAME}` | the environment variable as a text; not given where it is not set |
| `{$file: path}` | the text of a file, without blanks at its end |
| `{$include: path#a.b}` | what a YAML or JSON file says at `a.b`; all of it without `#`; the text of any other file |

Blanks around the value of a variable do not count. Paths count from the folder of the file that names them. Files are
YAML 1.2: `yes` and `2026-01-02` are texts, and `<<` does not merge.

A duration is an object of `weeks`, `days`, `hours`, `minutes`, `seconds` and `milliseconds`, a text such as `90s` or
`2 hours`, or an ISO 8601 duration such as `PT3M`. A number alone is refused, since it does not say its unit.

Everything that is wrong is reported at once, each with its file and line:

```text
app-config.yaml:12: catalog.orphanStrategy: expected keep or delete, got 'remove'
app-config.yaml:31: callboard.processing.batchSize: expected a whole number, at least 1, got 0
```

An unknown key under `catalog` or `callboard` is a warning; so are keys that Backstage has removed.
"""


def describe() -> str:
    """The page `docs/reference/configuration.md`."""
    lines = [_INTRODUCTION]
    for field in reading.fields_of(Settings):
        lines += [f"## `{field.key}`", "", *_paragraphs(_words(Settings)[field.name]), ""]
        section, _ = reading.taken_apart(field.hint)
        if reading.form_of(*reading.taken_apart(field.hint)) is None:
            assert isinstance(section, type)
            lines += _entries(section, field.key)
    return "\n".join(lines).rstrip() + "\n"


def _entries(section: type[Any], path: str) -> Iterator[str]:
    words = _words(section)
    for field in reading.fields_of(section):
        key = f"{path}.{field.key}"
        inner, suffix = _section_within(field.hint)
        if inner is None or _says_itself(field):
            yield from _entry(f"{key}", _notation(field.hint), field, words[field.name])
        if inner is not None:
            yield from _entries(inner, key + suffix)


def _says_itself(field: Field) -> bool:
    """Whether a section is more than the sum of its keys: a list, a mapping, or one with a short form."""
    hint, notes = reading.taken_apart(field.hint)
    return get_origin(hint) is not None or any(isinstance(note, Shorthand) for note in notes)


def _section_within(hint: object) -> tuple[type[Any] | None, str]:
    target, notes = reading.taken_apart(hint)
    if reading.form_of(target, notes) is not None:
        return None, ""
    if get_origin(target) is tuple:
        inner, suffix = _section_within(get_args(target)[0])
        return inner, f"[]{suffix}"
    if get_origin(target) is Mapping:
        inner, suffix = _section_within(get_args(target)[1])
        return inner, f".<name>{suffix}"
    assert isinstance(target, type)
    return target, ""


def _entry(key: str, notation: str, field: Field, words: str) -> Iterator[str]:
    default = "required" if field.required else f"default {_default(field)}"
    yield f"### `{key}`"
    yield ""
    yield from textwrap.wrap(f"{notation}; {default}", _WIDTH, break_long_words=False, break_on_hyphens=False)
    yield ""
    yield from _paragraphs(words)
    yield ""


def _notation(hint: object) -> str:
    target, notes = reading.taken_apart(hint)
    form = reading.form_of(target, notes)
    if form is not None:
        return form.expected
    if get_origin(target) is tuple:
        return "a list of " + _notation(get_args(target)[0]).replace("an object", "objects").replace("a text", "texts")
    if get_origin(target) is Mapping:
        return "an object by name"
    return next((note.form.expected for note in notes if isinstance(note, Shorthand)), "an object")


def _default(field: Field) -> str:
    match field.default:
        case None:
            return "none"
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case float() as seconds if forms.DURATION in reading.taken_apart(field.hint)[1]:
            return f"`{durations.format_seconds(seconds)}`"
        case () | {}:
            return "empty"
        case tuple() as items:
            return "; ".join(map(str, items))
        case Path() as path:
            return f"`./{path}`"
        case other:
            return f"`{other}`"


def _paragraphs(words: str) -> list[str]:
    return textwrap.wrap(" ".join(words.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _words(section: type[Any]) -> dict[str, str]:
    """The text under each field of *section*."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(definition, ast.ClassDef)
    words = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                words[name] = text
    return words
