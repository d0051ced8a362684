"""`callboard plugins` lists what an installation is made of, and what can't be used."""

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.installed import install

CODE = """
from callboard.extend import Plugin, Processor

class Shout(Processor):
    name = "shout"

notices = Plugin("notices")

@notices.on_event
def tell(event):
    ...

def broken():
    raise ValueError("no board")
"""

CONFIG = """
callboard:
  plugins: [{use: 'acme_code:notices'}, {use: quiet, disabled: true}]
catalog:
  disableDefaultProcessors: true
  processorOptions:
    shout: {priority: 5}
    placeholder: {disabled: true}
  providerOptions:
    locations: {disabled: true}
"""


def test_plugins_are_listed_with_their_distributions_and_all_that_there_is_in_its_order(
    callboard: Run, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "acme_code.py").write_text(CODE, "utf-8")
    install(site, "acme-plugins", "2.1", shout="acme_code:Shout", quiet="acme_code:Quiet", broken="acme_code:broken")
    (tmp_path / "app-config.yaml").write_text(CONFIG, "utf-8")

    answer = callboard("plugins", "--config", "app-config.yaml", "--json", cwd=tmp_path, PYTHONPATH=str(site))

    told = json.loads(answer.stdout)
    assert {each["name"]: (each["version"], each["namedIn"], each["disabled"]) for each in told["plugins"]} == {
        "acme_code:notices": (None, "app-config.yaml:3", False),
        "quiet": ("2.1", "app-config.yaml:3", True),
        "broken": ("2.1", None, False),
        "shout": ("2.1", None, False),
    }
    assert [each["brings"] for each in told["plugins"]] == [
        {"handlers": ["notices.tell"]},
        {},
        {},
        {"processors": ["shout"]},
    ]
    assert [(each["name"], each["disabled"]) for each in told["processors"]] == [
        ("shout", False),
        ("placeholder", True),
        ("builtin-kinds", False),
        ("location-reader", True),
        ("annotate-location", True),
    ]
    assert told["providers"] == [
        {"name": "config", "disabled": False},
        {"name": "locations", "disabled": True},
    ]
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        (
            "callboard: acme-plugins 2.1: expected acme_code:broken to make a provider, an incremental provider,"
            " a processor, a policy, a resolver of placeholders, a reader, a code host, a kind of sinks or a Plugin,"
            " got ValueError: no board;"
            " callboard.plugins can give it options, or disable it: use: broken"
        )
    ]
