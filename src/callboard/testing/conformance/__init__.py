"""Conformance cases: what `callboard.extend` promises for a plugin, as tests that its author inherits.

    from callboard.testing.conformance import ProviderCases

    class TestBoards(ProviderCases):
        def make(self) -> Boards:
            return Boards(["main-board"])

pytest runs all cases of the class. Each makes objects of its own, and says in words what is wrong. What may be
overridden stands at the head of each class. Objects whose methods are async are made inside a running event loop.
"""

from callboard.testing.conformance.code_hosts import CodeHostCases
from callboard.testing.conformance.incremental import IncrementalProviderCases
from callboard.testing.conformance.policies import PolicyCases
from callboard.testing.conformance.processors import ProcessorCases
from callboard.testing.conformance.providers import ProviderCases
from callboard.testing.conformance.readers import ReaderCases
from callboard.testing.conformance.sinks import SinkCases

__all__ = [
    "CodeHostCases",
    "IncrementalProviderCases",
    "PolicyCases",
    "ProcessorCases",
    "ProviderCases",
    "ReaderCases",
    "SinkCases",
]
