import re
from pathlib import Path

import click
import pytest

from callboard.cli import program

PAGE = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text("utf-8")

CONTEXT = program.make_context("callboard", [], resilient_parsing=True)
COMMANDS = program.list_commands(CONTEXT)


def section(command: str) -> str:
    """What the page says under the heading of *command*; empty when it has none."""
    found = re.search(rf"^## callboard {command}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def flags(command: str) -> set[str]:
    """The long flags of *command*."""
    found = program.get_command(CONTEXT, command)
    assert found is not None
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    return {name for option in options for name in (*option.opts, *option.secondary_opts) if name.startswith("--")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section_with_an_example(command: str) -> None:
    assert f"callboard {command}" in section(command).partition("```sh\n")[2].partition("```")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_section_has_the_flags_of_its_command_and_no_others(command: str) -> None:
    told = set(re.findall(r"`(--[a-z-]+)[` ]", section(command)))

    assert told - {"--version"} == flags(command)


def test_the_page_has_the_commands_in_the_order_of_the_help() -> None:
    assert re.findall(r"^## callboard (\S+)$", PAGE, re.MULTILINE) == COMMANDS
    assert re.findall(r"^\| \[`(\S+)`\]", PAGE, re.MULTILINE) == COMMANDS


def test_the_flags_of_a_server_are_explained_together() -> None:
    told = PAGE.partition("## Flags of the commands that run a server")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(--[a-z-]+)", told, re.MULTILINE)) == flags("serve")
