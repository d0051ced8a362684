import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard import settings
from callboard.errors import InvalidConfiguration
from callboard.settings import Interval, Listen, Settings

Configured = Callable[..., Settings]


def test_the_defaults_are_those_of_an_empty_file(configured: Configured) -> None:
    assert configured("") == settings.defaults()


def test_the_defaults_keep_orphans_and_stay_on_this_machine() -> None:
    usual = settings.defaults()

    assert usual.catalog.orphan_strategy is settings.OrphanStrategy.KEEP
    assert usual.catalog.orphan_provider_strategy is settings.OrphanStrategy.KEEP
    assert usual.catalog.processing_interval == Interval(100, 150)
    assert usual.backend.listen == Listen("127.0.0.1", 7007)
    assert usual.backend.database.url is None
    assert usual.callboard.data_dir == Path("callboard-data")


def test_names_for_the_front_end_are_read(configured: Configured) -> None:
    read = configured("app: {title: Our parts}\norganization: {name: Acme}\n")

    assert (read.app.title, read.organization.name) == ("Our parts", "Acme")


def test_everything_that_is_wrong_is_reported_at_once(configured: Configured) -> None:
    text = """
catalog:
  readonly: maybe
  processingInterval: soon
  locations:
    - type: url
    - target: 3
backend:
  listen: nowhere
callboard:
  engines: many
"""

    with pytest.raises(InvalidConfiguration) as refusal:
        configured(text, {"APP_CONFIG_callboard_apis": "0"})

    assert [line.partition(": expected")[0] for line in str(refusal.value).splitlines()] == [
        "app-config.yaml:6: catalog.locations[0].target: is missing",
        "app-config.yaml:7: catalog.locations[1].type: is missing",
        "app-config.yaml:7: catalog.locations[1].target",
        "app-config.yaml:3: catalog.readonly",
        "app-config.yaml:4: catalog.processingInterval",
        "app-config.yaml:9: backend.listen",
        "app-config.yaml:11: callboard.engines",
        "APP_CONFIG_callboard_apis: callboard.apis",
    ]


def test_a_long_text_is_cut_in_messages(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        configured(f"catalog: {{readonly: {'x' * 1000}}}")

    assert str(refusal.value).endswith("got '" + "x" * 59 + "…'")


def test_a_section_that_is_null_is_not_given(configured: Configured) -> None:
    assert configured("catalog:\nbackend: {listen: null}\n") == settings.defaults()


def test_warnings_of_all_steps_come_together(configured: Configured) -> None:
    read = configured("app: {title: 'x ${UNSET}'}\ncatalog: {colour: red}\n")

    assert [line.partition(": ")[0] for line in read.warnings] == ["app-config.yaml:1", "app-config.yaml:2"]


def test_settings_travel_to_other_processes(configured: Configured) -> None:
    read = configured("catalog: {providers: {x: {y: [1]}}, processorOptions: {p: {disabled: true}}}")

    assert pickle.loads(pickle.dumps(read)) == read


def test_flags_override_single_fields(configured: Configured) -> None:
    read = configured("catalog: {colour: red}\ncallboard: {engines: 2, apis: 2}\n")

    changed = read.overridden(
        {
            "callboard.engines": 4,
            "callboard.apis": None,
            "callboard.data_dir": Path("/data"),
            "backend.listen": Listen("::1", 80),
            "backend.database.url": "postgresql://h/d",
        }
    )

    assert (changed.callboard.engines, changed.callboard.apis) == (4, 2)
    assert changed.callboard.data_dir == Path("/data")
    assert changed.backend.listen == Listen("::1", 80)
    assert changed.backend.database.url == "postgresql://h/d"
    assert changed.warnings == read.warnings
    assert read.callboard.engines == 2


def test_a_flag_for_a_field_that_does_not_exist_is_a_mistake_of_ours() -> None:
    with pytest.raises((AttributeError, TypeError)):
        settings.defaults().overridden({"callboard.wheels": 4})


@pytest.mark.parametrize("word", ["true", "Yes", "on", "1"])
def test_a_substituted_flag_is_understood(configured: Configured, word: str) -> None:
    assert configured("catalog: {readonly: '${FLAG}'}", {"FLAG": word}).catalog.readonly is True
