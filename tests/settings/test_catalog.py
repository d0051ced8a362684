import re
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import (
    CatalogSettings,
    Interval,
    KindSetting,
    LocationConflictStrategy,
    LocationRuleSetting,
    LocationSetting,
    OrphanStrategy,
    ProcessorOptions,
    ProviderOptions,
    RuleLocationSetting,
    RuleSetting,
    ScmEventsSettings,
    Settings,
    StitchingSettings,
    durations,
)

Configured = Callable[..., Settings]

EVERYTHING = """
catalog:
  rules:
    - allow: [Component, {kind: Resource, spec.type: database}]
    - allow: [Template]
      locations:
        - {type: url, pattern: 'https://github.com/org/*/template.yaml'}
        - {type: url, exact: 'https://github.com/org/repo/all.yaml'}
    - allow: [Group]
      locations: []
  locations:
    - type: url
      target: https://github.com/org/repo/users.yaml
      rules:
        - allow: [User, Group]
  readonly: true
  orphanStrategy: delete
  orphanProviderStrategy: delete
  processingInterval: {minutes: 10}
  disableDefaultProcessors: true
  processorOptions:
    url-reader: {disabled: true, priority: 5}
    other: {priority: 7.5}
  providerOptions:
    github: {disabled: true}
  stitchingStrategy: {pollingInterval: 500ms, stitchTimeout: PT2M}
  defaultLocationConflictStrategy: refresh
  providers:
    github: {org: {organization: acme, schedule: {frequency: PT30M}}}
  processors:
    mine: [1, x]
  import: {entityFilename: catalog-info.yaml}
  scmEvents: true
  experimentalPagination: {limit: 20}
  actions: {experimentalCatalogLayersDescriptions: {enabled: true}}
"""


def test_every_key_is_read(configured: Configured) -> None:
    settings = configured(EVERYTHING)

    assert settings.warnings == ()
    assert settings.catalog == CatalogSettings(
        rules=(
            RuleSetting((KindSetting("Component"), KindSetting("Resource", "database"))),
            RuleSetting(
                (KindSetting("Template"),),
                (
                    RuleLocationSetting("url", pattern="https://github.com/org/*/template.yaml"),
                    RuleLocationSetting("url", exact="https://github.com/org/repo/all.yaml"),
                ),
            ),
            RuleSetting((KindSetting("Group"),), ()),
        ),
        locations=(
            LocationSetting(
                "url",
                "https://github.com/org/repo/users.yaml",
                (LocationRuleSetting((KindSetting("User"), KindSetting("Group"))),),
            ),
        ),
        readonly=True,
        orphan_strategy=OrphanStrategy.DELETE,
        orphan_provider_strategy=OrphanStrategy.DELETE,
        processing_interval=Interval(600, 900),
        disable_default_processors=True,
        processor_options={"url-reader": ProcessorOptions(True, 5), "other": ProcessorOptions(priority=7.5)},
        provider_options={"github": ProviderOptions(disabled=True)},
        stitching_strategy=StitchingSettings(polling_interval_seconds=0.5, stitch_timeout_seconds=120),
        default_location_conflict_strategy=LocationConflictStrategy.REFRESH,
        scm_events=ScmEventsSettings(refresh=True, unregister=True, move=True),
        providers={"github": {"org": {"organization": "acme", "schedule": {"frequency": "PT30M"}}}},
        processors={"mine": [1, "x"]},
    )


def test_without_rules_nobody_makes_users_or_groups(configured: Configured) -> None:
    (rule,) = configured("catalog: {}").catalog.rules

    assert [allowed.kind for allowed in rule.allow] == ["Component", "API", "Location"]
    assert rule.locations is None


def test_an_empty_list_of_rules_allows_nothing(configured: Configured) -> None:
    assert configured("catalog: {rules: []}").catalog.rules == ()


@pytest.mark.parametrize(
    ("written", "interval"),
    [
        ("3m", Interval(180, 270)),
        ("{seconds: 100}", Interval(100, 150)),
        ("10ms", Interval(1, 1.5)),
        ("false", None),
        ("'${NEVER}'", None),
        ("null", Interval(100, 150)),
    ],
)
def test_the_processing_interval_spreads_or_never_comes(
    configured: Configured, written: str, interval: Interval | None
) -> None:
    settings = configured(f"catalog: {{processingInterval: {written}}}", {"NEVER": "false"})

    assert settings.catalog.processing_interval == interval


@pytest.mark.parametrize(
    ("target", "expected"),
    [("a.yaml", "conf/a.yaml"), ("../b/*.yaml", "b/*.yaml"), ("./x/../c.yaml", "conf/c.yaml")],
)
def test_a_file_location_counts_from_the_folder_of_its_file(
    configured: Configured, tmp_path: Path, target: str, expected: str
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/more.yaml").write_text(f"- {{type: file, target: '{target}'}}", "utf-8")

    (location,) = configured("catalog: {locations: {$include: conf/more.yaml}}").catalog.locations

    assert location.target == str(tmp_path / expected)


def test_an_absolute_file_and_a_url_stay_as_they_are(configured: Configured) -> None:
    text = "catalog: {locations: [{type: file, target: /etc/x.yaml}, {type: url, target: 'https://h/../x'}]}"

    assert [location.target for location in configured(text).catalog.locations] == ["/etc/x.yaml", "https://h/../x"]


def test_a_link_in_a_folder_is_not_followed(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "version-1").mkdir()
    (tmp_path / "current").symlink_to("version-1")

    (location,) = configured("catalog: {locations: [{type: file, target: current/a.yaml}]}").catalog.locations

    assert location.target == str(tmp_path / "current/a.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: Component", "catalog.rules: expected a list, got 'Component'"),
        ("rules: [{}]", "catalog.rules[0].allow: is missing"),
        (
            "rules: [{allow: [3]}]",
            "catalog.rules[0].allow[0]: expected a kind, or an object with kind and spec.type, got 3",
        ),
        ("rules: [{allow: [{spec.type: x}]}]", "catalog.rules[0].allow[0].kind: is missing"),
        (
            "rules: [{allow: [A], locations: [{type: url, exact: a, pattern: b}]}]",
            "catalog.rules[0].locations[0]: has both exact and pattern; give one of them",
        ),
        ("locations: [{type: url}]", "catalog.locations[0].target: is missing"),
        ("locations: [{type: url, target: ''}]", "catalog.locations[0].target: expected a text, got ''"),
        ("readonly: maybe", "catalog.readonly: expected true or false, got 'maybe'"),
        ("orphanStrategy: remove", "catalog.orphanStrategy: expected keep or delete, got 'remove'"),
        (
            "processingInterval: soon",
            f"catalog.processingInterval: expected {durations.EXPECTED} or false, got 'soon'",
        ),
        ("processingInterval: 100", "got 100"),
        (
            "processorOptions: {x: {priority: high}}",
            "catalog.processorOptions.x.priority: expected a number, got 'high'",
        ),
        ("processorOptions: [x]", "catalog.processorOptions: expected an object, got a list"),
        ("processorOptions: {x: true}", "catalog.processorOptions.x: expected an object, got true"),
        ("stitchingStrategy: {stitchTimeout: 0s}", "catalog.stitchingStrategy.stitchTimeout: expected a duration"),
        ("providers: [github]", "catalog.providers: expected an object, got a list"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_key(configured: Configured, text: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(problem)) as refusal:
        configured(f"catalog:\n  {text}\n")

    assert str(refusal.value).startswith("app-config.yaml:2: catalog.")
