"""The Python in the pages runs."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return _BLOCK.findall((DOCS / page).read_text("utf-8"))


def test_the_processor_of_the_guide_does_what_the_guide_says() -> None:
    written, tried, _wired = blocks("howto/write-a-processor.md")
    names: dict[str, object] = {}

    exec(compile(written, "write-a-processor.md", "exec"), names)
    exec(compile(tried, "write-a-processor.md", "exec"), names)

    assert type(names["outcome"]).__name__ == "Completed"


def test_the_consumer_of_the_events_page_is_python() -> None:
    (consumer,) = blocks("reference/events.md")

    code = compile(consumer, "events.md", "exec")

    assert "urllib" in code.co_names
