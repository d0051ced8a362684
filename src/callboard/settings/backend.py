"""The section `backend`: where Callboard listens, what it keeps its data in, and what it may read."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Annotated, Final

from callboard.settings import databases, forms
from callboard.settings.auth import AuthSettings
from callboard.settings.cors import CorsSettings
from callboard.settings.databases import DatabaseSettings
from callboard.settings.forms import Adjusted, Form, Shorthand
from callboard.settings.values import Value

LOOPBACK: Final = "127.0.0.1"
USUAL_PORT: Final = 7007

_ADDRESS = re.compile(r"(?:(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]*):)?(\d{1,5})")
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - only when the configuration says `*`


def _listen_host(value: Value) -> str:
    if not isinstance(value.content, str):
        raise forms.Refused
    return _host_named(value.content)


def _host_named(text: str) -> str:
    return {"": LOOPBACK, "*": _EVERYWHERE}.get(text, text.strip("[]"))


_LISTEN_HOST: Final = Form("a host name or an address", _listen_host)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where connections are accepted."""

    host: Annotated[str, _LISTEN_HOST] = LOOPBACK
    """The address to bind; `*` means all interfaces. Without it loopback, unlike in Backstage, which binds everything:
    a catalog without `backend.auth` should be reachable from its own machine only."""

    port: Annotated[int, forms.PORT] = USUAL_PORT
    """The TCP port; 0 lets the system choose. Backstage's default."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(value: Value) -> Listen:
    if not isinstance(value.content, str):
        return Listen(port=forms.port_of(value))
    address = _ADDRESS.fullmatch(value.content.strip())
    if address is None or int(address[2]) > forms.LARGEST_PORT:
        raise forms.Refused
    return Listen(_host_named(address[1] or ""), int(address[2]))


LISTEN: Final = Form('a port, "host:port", ":port" or an object with host and port', _listen)


@dataclass(frozen=True, slots=True)
class ReadingRule:
    """A host that may be read from."""

    host: Annotated[str, forms.HOST]
    """The name of the host, with a port or a range of ports (`name:8000-8100`) where it is not the scheme's own. A
    leading `*.` means every host below the domain."""

    paths: tuple[str, ...] | None = None
    """Path prefixes, which end where a segment of the path ends. Without them, all paths."""


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """What may be read over the network."""

    allow: tuple[ReadingRule, ...] = ()
    """Hosts that URLs may be read from, beyond those of `integrations`. Nothing by default: a catalog file that anybody
    may register must not be a way into the inner network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """The server's surroundings."""

    listen: Annotated[Listen, Shorthand(LISTEN)] = Listen()
    """Where to listen: an object, or one of the short forms. No host means loopback."""

    base_url: Annotated[str | None, forms.WEB_ADDRESS] = None
    """How others reach this server, for links. Without it, made from `backend.listen`."""

    database: Annotated[DatabaseSettings, Adjusted(databases.embedded_instead)] = field(
        default_factory=DatabaseSettings
    )
    """The PostgreSQL that holds the catalog."""

    reading: OutboundSettings = field(default_factory=OutboundSettings)
    """What may be read over the network."""

    auth: AuthSettings = field(default_factory=AuthSettings)
    """Who may call."""

    cors: CorsSettings = field(default_factory=CorsSettings)
    """What pages of other origins may do in a browser."""

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return self.base_url or f"http://{self.listen}"
