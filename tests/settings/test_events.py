"""Webhooks of code hosts: their secrets, and what they lead to."""

from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import ScmEventsSettings, Settings

Configured = Callable[..., Settings]


def test_no_system_has_a_secret_unless_one_is_given(configured: Configured) -> None:
    modules = configured("events: {modules: {gitea: null}}").events.modules

    secrets = [module.webhook_secret for module in (modules.github, modules.gitlab, modules.gitea)]
    assert [*secrets, modules.bitbucket_cloud.webhook_secret] == [None] * 4


def test_a_system_has_the_secret_of_its_module(configured: Configured) -> None:
    text = "events: {modules: {bitbucketCloud: {webhookSecret: '${SECRET}'}, github: {webhookSecret: '${NONE}'}}}"

    modules = configured(text, {"SECRET": "s3cret"}).events.modules

    assert modules.bitbucket_cloud.webhook_secret == "s3cret"
    assert modules.github.webhook_secret is None


def test_what_else_backstage_reads_there_is_left_alone(configured: Configured) -> None:
    text = "events: {http: {topics: [github]}, notifyTimeoutMs: 3, modules: {kafka: {}, github: {more: 1}}}"

    assert configured(text).warnings == ()


def test_a_secret_is_shown_nowhere(configured: Configured) -> None:
    settings = configured("events: {modules: {github: {webhookSecret: s3cret}}}")

    with pytest.raises(InvalidConfiguration) as wrong:
        configured("events: {modules: {github: {webhookSecret: [s3cret]}}}")

    assert "s3cret" not in repr(settings)
    assert str(wrong.value) == (
        "app-config.yaml:1: events.modules.github.webhookSecret: expected a text, got something else"
    )


def test_a_push_refreshes_and_moves_and_unregisters_nothing_by_default(configured: Configured) -> None:
    expected = ScmEventsSettings(refresh=True, unregister=False, move=True)

    assert configured("").catalog.scm_events == expected
    assert configured("catalog: {scmEvents: {}}").catalog.scm_events == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", "refresh, unregister, move"),
        ("'yes'", "refresh, unregister, move"),
        ("false", "none"),
        ("{unregister: true}", "refresh, unregister, move"),
        ("{move: false}", "refresh"),
    ],
)
def test_it_can_be_chosen_what_a_push_leads_to(configured: Configured, text: str, expected: str) -> None:
    settings = configured(f"catalog: {{scmEvents: {text}}}")

    assert str(settings.catalog.scm_events) == expected
    assert settings.warnings == ()


def test_what_is_no_choice_is_refused(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration) as wrong:
        configured("catalog: {scmEvents: 3}")
    warned = configured("catalog: {scmEvents: {moves: true}}")

    assert str(wrong.value) == (
        "app-config.yaml:1: catalog.scmEvents: "
        "expected true, false or an object with refresh, unregister and move, got 3"
    )
    assert warned.warnings == ("app-config.yaml:1: catalog.scmEvents.moves: unknown key (did you mean move?)",)
