"""What tests read out of answers."""

from typing import Any

import httpx2


def names(answer: httpx2.Response) -> list[str | None]:
    """The names of the entities of a list, an object with items, or null in their place."""
    assert answer.status_code == 200, answer.text
    content = answer.json()
    entities: list[Any] = content["items"] if isinstance(content, dict) else content
    return [None if entity is None else entity["metadata"]["name"] for entity in entities]


def complaint(answer: httpx2.Response) -> tuple[int, str, str]:
    """Status, name and message of an error."""
    error = answer.json()["error"]
    return answer.status_code, error["name"], error["message"]
