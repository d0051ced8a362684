"""A code host with one repository."""

from collections import Counter
from collections.abc import Mapping, Sequence

from callboard.builtin.hosts.places import Target, address_of
from callboard.errors import LocationNotFound, Unreadable
from callboard.extend import Content, NotModified, Repository

ROOT = "https://host/acme/shop/blob/main"


class Host:
    """Repositories whose files a test names by their URLs."""

    name = "host"
    type = "url"

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        self.files = {f"{ROOT}/{path}": content for path, content in (files or {}).items()}
        self.asked: Counter[str] = Counter()
        self.is_down = False

    def covers(self, url: str) -> bool:
        return url.startswith("https://host/")

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        self.asked[target.removeprefix(f"{ROOT}/")] += 1
        if self.is_down:
            raise Unreadable("it is down")
        if target not in self.files:
            raise LocationNotFound(f"nothing at {target}")
        now = str(hash(self.files[target]))
        return NotModified(target, now) if version == now else Content(target, self.files[target].encode(), now)

    async def expand(self, target: str) -> Sequence[str]:
        return [target]

    def resolve(self, base: str, relative: str) -> str:
        return self._target(base).joined(relative, base)

    def contains(self, base: str, target: str) -> bool:
        return True

    def links(self, target: str) -> Mapping[str, str]:
        return {}

    def repository(self, url: str) -> Repository | None:
        if "acme/shop" not in url:
            return None
        return Repository(url="https://host/acme/shop", name="shop", slug="acme/shop", annotation="host/slug")

    async def find(self, url: str, name: str) -> Sequence[str]:
        if self.is_down:
            raise Unreadable("it is down")
        return sorted(target for target in self.files if target.endswith(f"/{name}"))

    def _target(self, url: str) -> Target:
        address = address_of(url)
        assert address is not None
        target = address.target("acme/shop", ref_at=3, form=())
        assert target is not None
        return target
