"""The list of entities as a file."""

import csv
import io

import pytest

from callboard.extend import Full
from tests.harness import component, offered
from tests.ui.conftest import Pages, group, with_metadata


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a table, by heading."""
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """More components than are asked for at once, and a group."""
    many = (component(f"c{number:04}", type="service", owner="bakers") for number in range(501))
    odd = with_metadata(component("odd", type="website"), title="=1+1", description='Says "a,\nb"', tags=["x", "y"])
    await pages.catalog.provide("p", Full(offered(*many, odd, group("bakers"))))
    await pages.catalog.settle()
    return pages


async def test_all_of_the_list_is_in_the_file(shop: Pages) -> None:
    answer = await shop.client.get("/catalog/-/export.csv?kind=component&type=service&limit=20")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="catalog-component.csv"'
    assert [row["name"] for row in rows(answer.text)] == [f"c{number:04}" for number in range(501)]
    assert rows(answer.text)[0]["owner"] == "bakers"


async def test_a_spreadsheet_shows_what_an_entity_says_and_calculates_none_of_it(shop: Pages) -> None:
    (odd,) = rows(await shop.get("/catalog/-/export.csv?q=odd"))

    assert odd["title"] == "'=1+1"
    assert odd["description"] == 'Says "a,\nb"'
    assert odd["tags"] == "x y"


async def test_a_program_gets_the_entities_as_they_are(shop: Pages) -> None:
    answer = await shop.client.get("/catalog/-/export.json?kind=all")

    found = answer.json()
    assert len(found) == 503
    assert found[-1] == shop.catalog.entity("component:default/odd")


async def test_of_nothing_a_file_is_empty(shop: Pages) -> None:
    assert (await shop.client.get("/catalog/-/export.json?tag=none")).json() == []
    assert rows(await shop.get("/catalog/-/export.csv?tag=none")) == []


async def test_what_a_file_name_can_not_hold_is_not_in_it(shop: Pages) -> None:
    answer = await shop.client.get("/catalog/-/export.json", params={"kind": 'a"\r\nb'})

    assert answer.headers["content-disposition"] == 'attachment; filename="catalog.json"'


async def test_another_format_is_a_page_that_says_so(shop: Pages) -> None:
    answer = await shop.client.get("/catalog/-/export.xlsx")

    assert answer.status_code == 404
    assert "csv or json" in answer.text
