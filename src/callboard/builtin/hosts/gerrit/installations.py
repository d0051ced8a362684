"""Installations of Gerrit: where each is, and what it is asked with (`integrations.gerrit`)."""

from dataclasses import dataclass, field
from urllib.parse import quote

from callboard.builtin.hosts.asking import Answer, Api, Credentials, Nobody
from callboard.builtin.hosts.installations import base_url_of, basic, check_distinct
from callboard.builtin.hosts.places import web_address
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import JsonObject, JsonValue, PluginContext
from callboard.extend.configuration import Options, Secret, read_list
from callboard.model import json

KEY = "integrations.gerrit"
_PREFIX = b")]}'"
"""What JSON begins with there, so that no page of somebody else can take it for a script."""


class IntegrationOptions(Options):
    """An entry of `integrations.gerrit`."""

    host: str
    base_url: str | None = None
    """`https://host`, unless it says something else."""
    gitiles_base_url: str | None = None
    """What URLs of files begin with: that of Gitiles, which shows them to people."""
    clone_url: str | None = None
    """Nothing is cloned; it is known so that it can stay where it is."""
    username: str | None = None
    password: Secret | None = None
    """The HTTP password of the user. Without it, what is public can be read."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One Gerrit."""

    host: str
    """As the configuration names it."""
    gitiles: tuple[str, ...]
    """What the URLs of files begin with, without a slash at the end: those of people first."""
    api: Api = field(repr=False)
    files: Api = field(repr=False)
    """Gitiles, which lists files."""


def installations(context: PluginContext) -> list[Installation]:
    """Those that the configuration names. Raises InvalidConfiguration."""
    entries = read_list(IntegrationOptions, context.config.integrations.get("gerrit"), KEY)
    known = [_installation(context, options, f"{KEY}[{index}]") for index, options in enumerate(entries)]
    check_distinct(known, KEY)
    return known


def project_path(project: str) -> str:
    """Where the API has a project."""
    return f"projects/{quote(project, safe='')}"


def told(answer: Answer) -> JsonValue:
    """The JSON of an *answer*. Raises Unreadable when it is none."""
    try:
        return json.decode(answer.body.removeprefix(_PREFIX))
    except ValueError as error:
        raise Unreadable(f"{answer.url.host} answered something that is not JSON: {error}") from error


def told_object(answer: Answer) -> JsonObject:
    """The JSON of an *answer*, as an object. Raises Unreadable."""
    value = told(answer)
    if not isinstance(value, dict):
        raise Unreadable(f"{answer.url.host} answered {type(value).__name__} where an object was expected")
    return value


def _installation(context: PluginContext, options: IntegrationOptions, at: str) -> Installation:
    base_url = base_url_of(options.host, options.base_url, at)
    said = options.gitiles_base_url
    gitiles = web_address(said, f"{at}.gitilesBaseUrl") if said else f"https://{options.host}"
    credentials = _credentials(options, at)
    is_known = not isinstance(credentials, Nobody)
    is_part = f"{gitiles}/".startswith(f"{base_url}/")
    # With credentials, everything of Gerrit is below /a/, Gitiles as well if it is a part of it.
    proven = f"{base_url}/a{gitiles.removeprefix(base_url)}"
    files = Api(context.outside, proven, credentials) if is_known and is_part else None
    return Installation(
        options.host,
        (gitiles, proven) if is_part else (gitiles,),
        Api(context.outside, f"{base_url}/a" if is_known else base_url, credentials),
        files or Api(context.outside, gitiles, Nobody(f"{options.host} {at}")),
    )


def _credentials(options: IntegrationOptions, at: str) -> Credentials:
    name = f"{options.host} {at}"
    if not options.password:
        return Nobody(name)
    if not options.username:
        raise InvalidConfiguration(f"{at}.username: expected the name of the user whose password it is, got none")
    return basic(name, options.username, options.password)
