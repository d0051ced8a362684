"""Notation: entities as people write them."""

from collections.abc import Mapping, Sequence

import yaml

from callboard.model import scalars

_ROOT = ("apiVersion", "kind", "metadata", "spec", "relations", "status")
_METADATA = ("name", "namespace", "title", "description", "labels", "annotations", "tags", "links")
_LAST = ("uid", "etag")


def as_yaml(entity: Mapping[str, object]) -> str:
    """*entity* as people write one: the name first, what the catalog made of it last."""
    metadata = entity.get("metadata")
    shown = dict(entity)
    if isinstance(metadata, Mapping):
        shown["metadata"] = _ordered(metadata, _METADATA, _LAST)
    return value_as_yaml(_ordered(shown, _ROOT))


def value_as_yaml(value: object) -> str:
    """Any JSON value, in its own order."""

    class Dumper(yaml.CSafeDumper):
        """Texts of several lines stay so; texts that look like another thing get quotes."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None if _is_plainly_text(value) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def _is_plainly_text(value: str) -> bool:
    # The library knows the rules of YAML 1.1; what only YAML 1.2 takes for a number is found here.
    try:
        return scalars.core(value) == value
    except ValueError:
        return False


def _ordered(value: Mapping[str, object], first: Sequence[str], last: Sequence[str] = ()) -> dict[str, object]:
    others = [key for key in value if key not in first and key not in last]
    return {key: value[key] for key in (*first, *others, *last) if key in value}
