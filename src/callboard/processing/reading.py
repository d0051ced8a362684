"""Reading: the readers, and how long each of them takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.extend import Content, NotModified, Reader
from callboard.metrics import Metrics, Stage


@dataclass(slots=True)
class Measured:
    """*reader*, with the time of each reading in the metrics (an `extend.Reader`)."""

    reader: Reader
    metrics: Metrics
    type: str = field(init=False)

    def __post_init__(self) -> None:
        self.type = self.reader.type

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        """As the reader does."""
        with self.metrics.stage(Stage.READ, type=self.type, target=target):
            return await self.reader.read(target, version=version)

    async def expand(self, target: str) -> Sequence[str]:
        """As the reader does."""
        return await self.reader.expand(target)

    def resolve(self, base: str, relative: str) -> str:
        """As the reader does."""
        return self.reader.resolve(base, relative)

    def contains(self, base: str, target: str) -> bool:
        """As the reader does."""
        return self.reader.contains(base, target)
