"""Installations: the hosts that the configuration names, where they are, and who asks them."""

import base64
from collections.abc import Sequence
from typing import Protocol, TypeVar

from callboard.builtin.hosts.asking import Fixed
from callboard.builtin.hosts.places import web_address
from callboard.errors import InvalidConfiguration


class Named(Protocol):
    """An installation."""

    @property
    def host(self) -> str:
        """As the configuration names it."""
        ...


I = TypeVar("I", bound=Named)  # noqa: E741 - the type of the installation


def named(host: str, known: Sequence[I], at: str, key: str) -> I:
    """The one of *known*, which stand at *key*, with the name *host*.

    Raises InvalidConfiguration, which names the key *at*.
    """
    for installation in known:
        if installation.host.lower() == host.lower():
            return installation
    raise InvalidConfiguration(f"{at}: expected a host that {key} has, got {host!r}")


def base_url_of(host: str, base_url: str | None, at: str) -> str:
    """The address of the pages of *host*, without a slash at the end. Raises InvalidConfiguration."""
    of_host = web_address(f"https://{host}", f"{at}.host")
    return of_host if base_url is None else web_address(base_url, f"{at}.baseUrl")


def basic(name: str, username: str, password: str) -> Fixed:
    """Credentials of a user with a password (RFC 7617)."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return Fixed(name, {"authorization": f"Basic {pair}"})
