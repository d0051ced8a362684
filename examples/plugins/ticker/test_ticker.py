"""What Callboard asks of every provider, asked of these two."""

from ticker import Boards, Listings

from callboard.testing.conformance import IncrementalProviderCases, ProviderCases


class TestBoards(ProviderCases):
    """All cases of a provider."""

    def make(self) -> Boards:
        """Each case has one of its own."""
        return Boards(["main-board", "growth-board"])


class TestListings(IncrementalProviderCases):
    """All cases of an incremental provider."""

    def make(self) -> Listings:
        """Three pages, so that there is something to go on with."""
        return Listings(250, "main-board")
