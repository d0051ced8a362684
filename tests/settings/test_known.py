from collections.abc import Callable

import pytest

from callboard.settings import Settings

Configured = Callable[..., Settings]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("catalog: {orphanStrateg: keep}", "catalog.orphanStrateg: unknown key (did you mean orphanStrategy?)"),
        ("catalog: {colour: red}", "catalog.colour: unknown key"),
        ("catalog: {rules: [{allow: [A], location: []}]}", "catalog.rules[0].location: unknown key (did you mean "),
        ("catalog: {locations: [{type: url, target: x, rule: []}]}", "catalog.locations[0].rule: unknown key (did"),
        ("catalog: {processorOptions: {x: {off: true}}}", "catalog.processorOptions.x.off: unknown key"),
        ("callboard: {engine: 2}", "callboard.engine: unknown key (did you mean engines?)"),
        ("callboard: {processing: {batchsize: 2}}", "callboard.processing.batchsize: unknown key (did you mean batchS"),
    ],
)
def test_an_unknown_key_of_ours_warns_and_suggests(configured: Configured, text: str, warning: str) -> None:
    (line,) = configured(text).warnings

    assert line.startswith(f"app-config.yaml:1: {warning}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("catalog: {useUrlReadersSearch: true}", "catalog.useUrlReadersSearch: was removed in Backstage's catalog 3.0"),
        ("catalog: {disableRelationsCompatibility: true}", "disableRelationsCompatibility: was removed in Backstage's"),
        ("catalog: {enableRelationsCompatibility: true}", "enableRelationsCompatibility: was removed in Backstage's"),
        (
            "catalog: {stitchingStrategy: {mode: deferred}}",
            "catalog.stitchingStrategy.mode: was removed in Backstage's",
        ),
        (
            "catalog: {processors: {mine: {priority: 3, other: 1}}}",
            "catalog.processors.mine.priority: has moved to catalog.processorOptions.<name>.priority",
        ),
        ("catalog: {processors: {github: {}}}", "catalog.processors.github: was removed from Backstage; say it in"),
        ("backend: {database: {plugin: {catalog: {}}}}", "backend.database.plugin.catalog: is not read: Callboard has"),
        ("backend: {https: true}", "backend.https: is not read: Callboard speaks plain HTTP"),
    ],
)
def test_a_key_that_means_nothing_here_says_why(configured: Configured, text: str, words: str) -> None:
    (line,) = configured(text).warnings

    assert line.startswith("app-config.yaml:1: ")
    assert words in line


def test_an_unknown_key_of_the_environment_is_named_by_its_variable(configured: Configured) -> None:
    settings = configured("", {"APP_CONFIG_catalog_readOnly": "true"})

    assert settings.warnings == ("APP_CONFIG_catalog_readOnly: catalog.readOnly: unknown key (did you mean readonly?)",)
