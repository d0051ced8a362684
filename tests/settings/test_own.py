from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import (
    CallboardSettings,
    LogFormat,
    LoggingSettings,
    LogLevel,
    PluginSetting,
    ProcessingSettings,
    ReadingSettings,
    Settings,
    StreamSettings,
)

Configured = Callable[..., Settings]

EVERYTHING = """
callboard:
  dataDir: data
  engines: 2
  apis: '${APIS}'
  processing: {batchSize: 50, lease: 2m, concurrency: 4}
  reading: {timeout: 5s, concurrencyPerHost: 2, maxBytes: 1.5 MiB}
  logging: {format: json, level: debug}
  stream: {ringSize: 500}
  plugins:
    - acme.on_call:OnCall
    - {use: 'acme.sources:make.all', options: {hosts: [one, two]}}
"""


def test_every_key_is_read(configured: Configured, tmp_path: Path) -> None:
    settings = configured(EVERYTHING, {"APIS": "3"})

    assert settings.warnings == ()
    assert settings.callboard == CallboardSettings(
        data_dir=tmp_path / "data",
        engines=2,
        apis=3,
        processing=ProcessingSettings(batch_size=50, lease_seconds=120, concurrency=4),
        reading=ReadingSettings(timeout_seconds=5, concurrency_per_host=2, max_bytes=1_572_864),
        logging=LoggingSettings(format=LogFormat.JSON, level=LogLevel.DEBUG),
        stream=StreamSettings(ring_size=500),
        plugins=(
            PluginSetting("acme.on_call:OnCall", at="app-config.yaml:11"),
            PluginSetting("acme.sources:make.all", {"hosts": ["one", "two"]}, at="app-config.yaml:12"),
        ),
    )


def test_the_data_folder_counts_from_the_folder_of_its_file(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/own.yaml").write_text("dataDir: ../data", "utf-8")

    assert configured("callboard: {$include: conf/own.yaml}").callboard.data_dir == tmp_path / "data"


@pytest.mark.parametrize(
    ("written", "size"), [("2000", 2000), ("'2000'", 2000), ("1kB", 1000), ("1 KiB", 1024), ("0.5 GB", 500_000_000)]
)
def test_sizes_have_units_or_are_bytes(configured: Configured, written: str, size: int) -> None:
    assert configured(f"callboard: {{reading: {{maxBytes: {written}}}}}").callboard.reading.max_bytes == size


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("engines: 0", "callboard.engines: expected a whole number, at least 1, got 0"),
        ("engines: 1.5", "callboard.engines: expected a whole number, at least 1, got 1.5"),
        ("engines: true", "callboard.engines: expected a whole number, at least 1, got true"),
        ("engines: .inf", "callboard.engines: expected a whole number, at least 1, got inf"),
        ("dataDir: 3", "callboard.dataDir: expected a path, got 3"),
        ("reading: {maxBytes: big}", "callboard.reading.maxBytes: expected a number of bytes, or a size such as"),
        ("reading: {maxBytes: 0}", "callboard.reading.maxBytes: expected a number of bytes, or a size such as"),
        ("reading: {timeout: 30}", "callboard.reading.timeout: expected a duration such as"),
        ("logging: {format: xml}", "callboard.logging.format: expected text or json, got 'xml'"),
        ("logging: {level: loud}", "callboard.logging.level: expected debug, info, warning or error, got 'loud'"),
        ("stream: 5", "callboard.stream: expected an object, got 5"),
        ("plugins: acme:make", "callboard.plugins: expected a list, got 'acme:make'"),
        ("plugins: ['a b']", 'callboard.plugins[0]: expected a text such as "package.module:object", or the name'),
        ("plugins: [acme:x, {use: 'acme:'}]", 'callboard.plugins[1].use: expected a text such as "package.module'),
        ("plugins: [{options: {}}]", "callboard.plugins[0].use: is missing"),
        ("plugins: [{use: acme:x, options: 3}]", "callboard.plugins[0].options: expected an object, got 3"),
    ],
)
def test_a_wrong_value_is_named(configured: Configured, text: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        configured(f"callboard:\n  {text}\n")

    assert str(refusal.value).startswith(f"app-config.yaml:2: {problem}")
