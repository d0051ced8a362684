"""Progress: how far a command has come, on standard error: a bar where somebody looks at it, a line elsewhere."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """Tells of one thing after the other; what it has drawn is gone at the end."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def begin(self, what: str, total: int | None = None) -> None:
        """Now this is done, so many times."""
        if self._progress is None:
            click.echo(what, err=True)
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        """So many times more it has been done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)

    def at(self, done: int, total: int) -> None:
        """So many times of so many it has been done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)
