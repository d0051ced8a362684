"""Public fakes: time that passes when a test says so, and systems with what a test puts there."""

from callboard.testing.clocks import FakeClock
from callboard.testing.hosts import FakeHost
from callboard.testing.microsoft_graph import FakeMicrosoftGraph

__all__ = ["FakeClock", "FakeHost", "FakeMicrosoftGraph"]
