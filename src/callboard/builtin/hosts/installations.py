"""Installations: the hosts that the configuration names, where they are, and who asks them."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from callboard.builtin.hosts import asking
from callboard.builtin.hosts.asking import Fixed
from callboard.builtin.hosts.places import Address, under, web_address
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


def address_at(url: str, base_url: str, host: str) -> Address | None:
    """*url*, taken apart, if it is below the *base_url* of an installation, or on its *host*."""
    return under(url, base_url) or under(url, f"https://{host}")


def check_distinct(known: Sequence[Named], key: str) -> None:
    """Raises InvalidConfiguration when two of *known*, which stand at *key*, have one host."""
    hosts = [each.host.lower() for each in known]
    for index, host in enumerate(hosts):
        if host in hosts[:index]:
            raise InvalidConfiguration(f"{key}[{index}].host: expected a host of its own, got {host} again")


def base_url_of(host: str, base_url: str | None, at: str) -> str:
    """The address of the pages of *host*, without a slash at the end. Raises InvalidConfiguration."""
    of_host = web_address(f"https://{host}", f"{at}.host")
    if not host or "/" in host:
        raise InvalidConfiguration(f"{at}.host: expected a host, as gitlab.example.com or with :port, got {host!r}")
    return of_host if base_url is None else web_address(base_url, f"{at}.baseUrl")


def basic(name: str, username: str, password: str) -> Fixed:
    """Credentials of a user with a password."""
    return Fixed(name, {"authorization": asking.basic(username, password)})
