"""Processors that are there when the configuration asks for them, under the names of Backstage's modules.

A key in `catalog.processors` turns one on, and so does its name in `catalog.processorOptions`.
"""

from collections.abc import Collection, Mapping, Sequence

from callboard.builtin.code_owners import CodeOwnersProcessor
from callboard.builtin.slugs import AnnotateScmSlugProcessor
from callboard.clock import Clock
from callboard.errors import InvalidConfiguration
from callboard.extend import CodeHost, JsonValue, Processor, Reader
from callboard.extend.configuration import Options, read

_CODE_OWNERS = "codeOwners"
_SLUGS = "annotateScmSlug"


class SlugOptions(Options):
    """What `catalog.processors.annotateScmSlug` says."""

    kinds: list[str] | None = None
    """Which kinds are annotated; all of them by default."""


def processors(
    config: Mapping[str, JsonValue], named: Collection[str], *, reader: Reader, hosts: Sequence[CodeHost], clock: Clock
) -> list[Processor]:
    """Those that `catalog.processors`, which is *config*, or the *named* ones of `catalog.processorOptions` ask for."""
    made: list[Processor] = []
    if _is_wanted(config, _CODE_OWNERS) or CodeOwnersProcessor.name in named:
        made.append(CodeOwnersProcessor(reader, hosts, clock))
    if _is_wanted(config, _SLUGS) or AnnotateScmSlugProcessor.name in named:
        said = config.get(_SLUGS)
        at = f"catalog.processors.{_SLUGS}"
        options = read(SlugOptions, said, at) if isinstance(said, Mapping) else SlugOptions()
        made.append(AnnotateScmSlugProcessor(hosts, options.kinds))
    return made


def _is_wanted(config: Mapping[str, JsonValue], key: str) -> bool:
    said = config.get(key)
    if said is None or said is False or said == "false":
        return False
    if said is True or said == "true" or isinstance(said, Mapping):
        return True
    raise InvalidConfiguration(f"catalog.processors.{key}: expected true, false or an object, got {said!r}")
