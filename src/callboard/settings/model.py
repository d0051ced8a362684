"""The section `callboard.model`: what entities may be, beyond what every catalog knows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from callboard.settings.forms import RAW, Adjusted, Refused
from callboard.settings.values import JsonValue, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSetting:
    """What the text of a field must look like."""

    pattern: str
    """A regular expression, in Python's notation, for the whole text."""

    expected: str
    """The same in words, for whoever has written something else."""


def _compiled(setting: FormatSetting, value: Value, _warn: Callable[[Value, str], None]) -> FormatSetting:
    try:
        re.compile(setting.pattern)
    except re.error as error:
        raise Refused(f"a regular expression; this is none: {error}") from error
    return setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Kinds, fields and formats that an installation adds. What is wrong with them is told at the start."""

    packs: tuple[str, ...] = ()
    """Kinds that come with Callboard and that not everybody wants: `ai` has AiResource, and APIs of the type
    `mcp-server`."""

    files: tuple[Path, ...] = ()
    """YAML files with a kind a document, in the same notation as `kinds`; `*` stands for any name in a folder."""

    kinds: tuple[Annotated[Mapping[str, JsonValue], RAW], ...] = ()
    """Kinds, or with `extend: true` additions to one that is there."""

    formats: Mapping[str, Annotated[FormatSetting, Adjusted(_compiled)]] = field(default_factory=dict)
    """What texts of the envelope must look like: `apiVersion`, `kind`, `name`, `namespace`, `labelKey`, `labelValue`,
    `annotationKey` and `tag`. One that is not named stays as in Backstage."""
