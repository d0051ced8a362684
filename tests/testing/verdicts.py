"""What conformance cases say, each run by hand."""

import unittest
from typing import Any


def verdicts(cases: Any) -> dict[str, str]:
    """The cases that fail, with what they say."""
    told = {}
    for name in dir(cases):
        if name.startswith("test_"):
            try:
                getattr(cases, name)()
            except AssertionError as error:
                told[name.removeprefix("test_")] = str(error)
            except unittest.SkipTest:
                continue
    return told
