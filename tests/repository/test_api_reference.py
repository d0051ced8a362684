"""The page about the API lists what there is: no endpoint more, none less, and every parameter."""

import importlib
import pkgutil
import re
from pathlib import Path

from starlette.routing import Route

import callboard.api
from callboard.api.context import MOUNT
from callboard.api.parameters import Number, Text
from callboard.api.routes import CATALOG, ROOT

PAGE = Path(__file__).parents[2] / "docs/reference/api.md"


def endpoints() -> set[str]:
    """Method and path of every route."""
    mounted = [(MOUNT, route) for route in CATALOG]
    own = [("", route) for route in ROOT if isinstance(route, Route)]
    return {
        f"{method} {mount}{route.path}"
        for mount, route in (*mounted, *own)
        for method in (route.methods or set()) - {"HEAD"}
    }


def parameters() -> set[str]:
    """The names of all query parameters that an endpoint knows."""
    names: set[str] = set()
    for module in pkgutil.iter_modules(callboard.api.__path__, "callboard.api."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, dict) and value and all(isinstance(kind, Text | Number) for kind in value.values()):
                names.update(value)
    return names


def test_every_endpoint_has_its_heading_and_every_heading_its_endpoint() -> None:
    headings = re.findall(r"^### ([A-Z]+ /\S+)$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert set(headings) == endpoints()
    assert len(headings) == len(set(headings))


def test_the_list_at_the_top_is_complete() -> None:
    listed = re.findall(r"^\| \[`([A-Z]+ /\S+)`\]", PAGE.read_text("utf-8"), re.MULTILINE)

    assert set(listed) == endpoints()


def test_every_parameter_has_its_row_and_every_row_its_parameter() -> None:
    sections = PAGE.read_text("utf-8").split("\n### ")
    tables = [section.split("| parameter |", 1)[1] for section in sections if "| parameter |" in section]
    rows = {name for table in tables for name in re.findall(r"^\| `(\w+)` \|", table.split("\n\n", 1)[0], re.MULTILINE)}

    assert rows == parameters()
