"""Modelling: from the section `callboard.model` to the kinds and formats that entities are held to."""

import dataclasses
import glob
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from callboard.builtin.policies import DEFAULT_FORMATS, FieldFormats, Format
from callboard.errors import InvalidConfiguration
from callboard.model import kinds
from callboard.model.kinds import Kinds, describing
from callboard.model.kinds.describing import Description
from callboard.settings import Settings

_FIELDS = {
    "apiVersion": "api_version",
    "kind": "kind",
    "name": "name",
    "namespace": "namespace",
    "labelKey": "label_key",
    "labelValue": "label_value",
    "annotationKey": "annotation_key",
    "tag": "tag",
}
"""The names of formats in a configuration, and those in the policy."""


def kinds_of(settings: Settings) -> Kinds | None:
    """The kinds of an installation; None when it adds nothing to those that all have. Raises InvalidConfiguration."""
    described = list(_descriptions(settings))
    return describing.together(kinds.builtin(), described) if described else None


def formats_of(settings: Settings) -> FieldFormats:
    """The formats of an installation. Raises InvalidConfiguration for a field that has none."""
    chosen: dict[str, Format] = {}
    for name, setting in settings.callboard.model.formats.items():
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise InvalidConfiguration(f"callboard.model.formats: there is no format of '{name}'; there are: {known}")
        chosen[_FIELDS[name]] = Format(re.compile(setting.pattern).fullmatch, setting.expected)
    return dataclasses.replace(DEFAULT_FORMATS, **chosen)


def check(settings: Settings) -> None:
    """Raises InvalidConfiguration when the model of an installation can't be made."""
    kinds_of(settings)
    formats_of(settings)


def _descriptions(settings: Settings) -> Iterator[Description]:
    model = settings.callboard.model
    for name in model.packs:
        yield from describing.pack(name)
    for pattern in model.files:
        files = sorted(glob.glob(str(pattern)))  # noqa: PTH207 - a Path has no pattern in its folder part
        if not files:
            raise InvalidConfiguration(f"callboard.model.files: {pattern} does not exist")
        for file in files:
            yield from _documents(Path(file))
    for number, content in enumerate(model.kinds):
        yield Description(f"callboard.model.kinds[{number}]", dict(content))


def _documents(file: Path) -> Iterator[Description]:
    try:
        documents = list(yaml.load_all(file.read_text("utf-8"), Loader=yaml.CSafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidConfiguration(f"{file} can't be read as YAML: {error}") from error
    for number, document in enumerate(documents, start=1):
        if document is not None:
            yield Description(f"{file}, document {number}", document)
