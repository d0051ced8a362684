"""Lists and times, as the commands show them."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[str]) -> Iterator[str]:
    """A line for the headings and each row. The columns whose headings are `numbers` are aligned to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = [
            cell.rjust(width) if heading in numbers else cell.ljust(width)
            for heading, cell, width in zip(headings, line, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def moment(at: dt.datetime | None) -> str:
    """A time to the second, in UTC; a dash for none."""
    return "-" if at is None else at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
