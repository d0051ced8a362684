"""Public fakes: time that passes when a test says so, a host that serves what a test puts there, a catalog's way in.

`callboard.testing.conformance` has the cases that every plugin should pass.
"""

from callboard.testing.clocks import FakeClock
from callboard.testing.connections import FakeConnection
from callboard.testing.hosts import FakeHost
from callboard.testing.microsoft_graph import FakeMicrosoftGraph

__all__ = ["FakeClock", "FakeConnection", "FakeHost", "FakeMicrosoftGraph"]
