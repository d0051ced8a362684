import pytest
from click.testing import CliRunner

from callboard.cli import program

COMMANDS = program.list_commands(program.make_context("callboard", [], resilient_parsing=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(command: str) -> None:
    shown = CliRunner().invoke(program, [command, "--help"])

    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert f"callboard {command}" in shown.output.partition("Example:")[2]


def test_the_help_lists_every_command() -> None:
    shown = CliRunner().invoke(program, ["--help"])

    listed = [line.split()[0] for line in shown.output.partition("Commands:\n")[2].splitlines()]
    assert listed == COMMANDS


def test_an_unknown_command_is_refused() -> None:
    refused = CliRunner().invoke(program, ["sing"])

    assert refused.exit_code == 2
    assert "No such command 'sing'" in refused.output
