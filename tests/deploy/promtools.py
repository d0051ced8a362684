"""Prometheus' own programs, where they are installed."""

import os

import pytest

from benchmarks.programs import Missing, program


def tool(name: str) -> str:
    """The path of one of them. Skips the test where it is not there and nobody has said that it must be."""
    try:
        return program(name)
    except Missing as missing:
        if os.environ.get("CALLBOARD_REQUIRE_PROMETHEUS"):
            raise
        pytest.skip(f"{missing}: Debian's package prometheus has it")
