"""Which receivers may be reached: their names by the configuration, their addresses by what kind they are.

A name is looked up once, and the connection goes to the address that was looked at. Whoever owns the name could let it
point elsewhere a moment later, into the network of the server.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import httpx2

from callboard.builtin.readers.allowed_hosts import AllowedHost, AllowList, port_of
from callboard.errors import InvalidInput, NotAllowed, Unreadable

SETTING = "callboard.subscriptions.allow"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name. Raises OSError."""

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A host that may be delivered to."""

    host: AllowedHost
    private: bool = False
    """Whether its name may lead to addresses of private networks, and of the server itself."""


class Receivers:
    """Decides which URLs may be delivered to, and at which address."""

    def __init__(self, allowed: Iterable[Receiver], resolve: Resolve) -> None:
        receivers = list(allowed)
        self._all = AllowList((each.host for each in receivers), setting=SETTING)
        self._private = AllowList((each.host for each in receivers if each.private), setting=SETTING)
        self._resolve = resolve

    def check(self, text: str) -> httpx2.URL:
        """The URL that *text* says. Raises InvalidInput, and NotAllowed for a host that is not in the configuration."""
        try:
            url = httpx2.URL(text)
        except httpx2.InvalidURL as error:
            raise InvalidInput(f"'{text}' is not a URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(f"'{text}' is not an http or https URL")
        if url.userinfo:
            raise InvalidInput("the URL of a webhook can't have credentials in it; the signature proves who sends")
        if not self._all.allows(url):
            raise NotAllowed(f"Delivering to '{url.host}' is not allowed: add the host to '{SETTING}'")
        return url

    async def address_of(self, url: httpx2.URL) -> str:
        """The address to connect to. Raises Unreadable when there is none, and NotAllowed when it must not be used."""
        port = port_of(url)
        assert port is not None
        try:
            found = await self._resolve(url.host, port)
        except OSError as error:
            raise Unreadable(f"the name {url.host} leads nowhere: {error.strerror or error}") from error
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        if not addresses:
            raise Unreadable(f"the name {url.host} leads nowhere")
        private = self._private.allows(url)
        for address in addresses:
            if not (is_public(address) or (private and is_private(address))):
                # One that may be used is not enough: which one is taken would be up to whoever owns the name.
                raise NotAllowed(
                    f"Delivering to '{url.host}' is not allowed: it leads to {address}, which is not an address of the"
                    f" public Internet; '{SETTING}' can say private: true"
                )
        return str(addresses[0])


def is_public(address: Address) -> bool:
    """Whether it is an address on the Internet, and not one of those that stand for something inside."""
    meant = _meant(address)
    return meant.is_global and not meant.is_multicast


def is_private(address: Address) -> bool:
    """Whether it is one of a private network, or of this machine. Where clouds keep their secrets, is neither."""
    meant = _meant(address)
    odd = meant.is_link_local or meant.is_multicast or meant.is_unspecified or meant.is_reserved
    return meant.is_loopback or (meant.is_private and not odd)


def _meant(address: Address) -> Address:
    """The address of the older kind that one of the newer kind stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
