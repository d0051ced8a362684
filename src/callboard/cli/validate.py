"""`callboard validate`: what the catalog would say about a file, before it reads it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from callboard.cli.checking import Checked, Problem, Rules

_STDIN = Path("-")


@click.command(
    epilog="""\b
Example:
  callboard validate catalog-info.yaml services/*/catalog-info.yaml
  callboard validate --config app-config.yaml robots.yaml
  git show main:catalog-info.yaml | callboard validate -
"""
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option(
    "--config",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A configuration file whose kinds and formats count. May be repeated.",
)
def command(files: Sequence[Path], config: Sequence[Path]) -> None:
    """Check FILES as the catalog does when it reads them: YAML, envelope, policies, kinds.

    With --config, by the kinds and formats of that installation.

    All problems of all documents are shown, each with its file and line. A dash reads standard input.
    """
    rules = _rules(config)
    checked = [_check(file, rules) for file in files]
    problems = sum(len(found.problems) for found in checked)
    entities = sum(found.entities for found in checked)
    outcome = _count(problems, "problem") if problems else "no problems"
    click.secho(
        f"{_count(len(files), 'file')}, {_count(entities, 'entity', 'entities')}: {outcome}",
        fg="red" if problems else "green",
    )
    if problems:
        sys.exit(1)


def _rules(config: Sequence[Path]) -> "Rules":
    import os

    from callboard import modelling, settings
    from callboard.builtin.policies import default_policies, last_policies
    from callboard.cli.checking import Rules
    from callboard.model import kinds

    if not config:
        return Rules()
    read = settings.read(settings.load(config, os.environ))
    known = modelling.kinds_of(read) or kinds.builtin()
    return Rules(known, [*default_policies(modelling.formats_of(read)), *last_policies()])


def _check(file: Path, rules: "Rules") -> "Checked":
    import asyncio

    from callboard.cli import checking
    from callboard.model.refs import LocationRef

    data = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
    found = asyncio.run(checking.check(data, LocationRef("file", str(file.absolute())), rules))
    for problem in found.problems:
        click.echo(_line("(stdin)" if file == _STDIN else str(file), problem))
    return found


def _line(file: str, problem: "Problem") -> str:
    where = click.style(f"{file}:{problem.line}:", bold=True)
    entity = f"[{problem.entity}] " if problem.entity else ""
    field = f"{problem.field}: " if problem.field else ""
    return f"{where} {entity}{field}{problem.reason}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
