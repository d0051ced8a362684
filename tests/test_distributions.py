"""Plugins that are installed are loaded, and the configuration can give them options or disable them."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard import app, plugins
from callboard import settings as configuration
from callboard.distributions import Distribution
from callboard.errors import InvalidConfiguration
from callboard.settings import Settings
from tests.harness import Catalog
from tests.installed import install

CODE = """
from callboard.extend import Processor

class Source:
    def __init__(self, context):
        self.name = context.options.get("name", "source")

    async def connect(self, connection):
        ...

class Shout(Processor):
    name = "shout"

def needs_options(context):
    return Source(context) if context.options["name"] else None
"""

Configure = Callable[..., Settings]


@pytest.fixture
def module() -> str:
    """What the code's module is called in this test: Python imports a module of one name once."""
    return f"plugin_{uuid.uuid4().hex}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> Path:
    """A folder in which distributions are installed, beside a module with the code."""
    (tmp_path / f"{module}.py").write_text(CODE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(*entries: str) -> Settings:
    file = Path("app-config.yaml")
    file.write_text(f"callboard:\n  plugins: [{', '.join(entries)}]\n", "utf-8")
    return Catalog.settings(configuration.read(configuration.load([file], {})))


def providers(found: plugins.Plugins) -> list[str]:
    return [provider.name for provider in found.providers]


def refusal(*entries: str) -> str:
    with pytest.raises(InvalidConfiguration) as refused:
        app.plugins_of(configured(*entries))
    return str(refused.value)


def test_what_is_installed_is_loaded_and_its_distribution_is_known(site: Path, module: str) -> None:
    install(site, "acme-plugins", "2.1", source=f"{module}:Source", shout=f"{module}:Shout")

    found = app.plugins_of(configured())

    assert (providers(found), [each.name for each in found.processors]) == (["source"], ["shout"])
    assert [(each.name, each.distribution, each.at) for each in found.loaded] == [
        ("shout", Distribution("acme-plugins", "2.1"), ""),
        ("source", Distribution("acme-plugins", "2.1"), ""),
    ]


def test_the_configuration_gives_options_to_what_is_installed_by_its_name(site: Path, module: str) -> None:
    install(site, "acme-plugins", source=f"{module}:Source")

    found = app.plugins_of(configured("{use: source, options: {name: east}}", "{use: source, options: {name: west}}"))

    assert providers(found) == ["east", "west"]


def test_a_plugin_is_loaded_once_when_the_configuration_names_its_object(site: Path, module: str) -> None:
    install(site, "acme-plugins", source=f"{module}:Source")

    found = app.plugins_of(configured(f"'{module}:Source'"))

    assert providers(found) == ["source"]
    assert [each.distribution for each in found.loaded] == [Distribution("acme-plugins", "1.0")]


def test_what_the_configuration_names_comes_before_what_is_merely_installed(site: Path, module: str) -> None:
    install(site, "acme-plugins", a=f"{module}:Shout", z=f"{module}:Source")

    found = app.plugins_of(configured("z"))

    assert [each.name for each in found.loaded] == ["z", "a"]


def test_what_is_installed_can_be_disabled_and_is_listed_all_the_same(site: Path, module: str) -> None:
    install(site, "acme-plugins", source=f"{module}:Source")

    found = app.plugins_of(configured("{use: source, disabled: true}"))

    assert providers(found) == []
    assert [(each.name, each.disabled) for each in found.loaded] == [("source", True)]


def test_a_module_that_is_disabled_is_not_imported(site: Path) -> None:
    found = app.plugins_of(configured("{use: 'nowhere:at_all', disabled: true}"))

    assert [each.disabled for each in found.loaded] == [True]


def test_what_is_wrong_with_an_installed_plugin_names_distribution_version_and_a_way_out(
    site: Path, module: str
) -> None:
    install(site, "acme-plugins", "2.1", source=f"{module}:needs_options")

    told = refusal()

    assert told.startswith(f"acme-plugins 2.1: expected {module}:needs_options to make a provider")
    assert told.endswith("got KeyError: 'name'; callboard.plugins can give it options, or disable it: use: source")


def test_what_is_wrong_with_one_that_is_named_says_where_too(site: Path, module: str) -> None:
    install(site, "acme-plugins", "2.1", source=f"{module}:Nothing")

    told = refusal("source")

    assert told.startswith("app-config.yaml:2: callboard.plugins[0]: acme-plugins 2.1: expected an object Nothing in")


def test_a_name_that_nothing_installed_has_is_told_with_one_that_is_like_it(site: Path, module: str) -> None:
    install(site, "acme-plugins", source=f"{module}:Source")

    told = refusal("{use: sorce, disabled: true}")

    assert told == (
        "app-config.yaml:2: callboard.plugins[0]: expected module:object, or an entry point in the group callboard of"
        " what is installed, found no sorce (did you mean source?)"
    )


def test_a_name_that_two_distributions_have_has_to_be_said_in_full(site: Path, module: str) -> None:
    install(site, "acme-one", x=f"{module}:Source")
    install(site, "acme-two", x=f"{module}:Shout")

    told = refusal("x")

    assert f"say which: {module}:Source of acme-one 1.0 or {module}:Shout of acme-two 1.0" in told
    assert providers(app.plugins_of(configured(f"'{module}:Source'"))) == ["source"]


def test_an_entry_point_that_names_no_object_is_told(site: Path, module: str) -> None:
    install(site, "acme-plugins", source=module)

    told = refusal()

    assert told == (
        f"acme-plugins 1.0: expected the entry point source to name an object as module:object, got '{module}'"
    )


def test_a_survey_has_what_can_be_used_beside_what_can_not(site: Path, module: str) -> None:
    install(site, "acme-plugins", broken=f"{module}:needs_options", source=f"{module}:Source")

    found = app.surveyed_plugins(configured())

    assert providers(found) == ["source"]
    assert [each.problem is None for each in found.loaded] == [False, True]
