"""Public fakes: time that passes when a test says so, and a host that serves what a test puts there."""

from callboard.testing.clocks import FakeClock
from callboard.testing.hosts import FakeHost

__all__ = ["FakeClock", "FakeHost"]
