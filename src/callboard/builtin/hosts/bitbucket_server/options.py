"""What the configuration says about Bitbucket Server and Data Center: `integrations.bitbucketServer`, with Backstage's
keys."""

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody, basic
from callboard.builtin.hosts.installations import check_distinct
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue, Outside
from callboard.extend.configuration import Options, Secret, read_list

AT = "integrations.bitbucketServer"
_REST = "/rest/api/"


class HostOptions(Options):
    """A Bitbucket Server."""

    host: str
    api_base_url: str | None = None
    token: Secret | None = None
    """An HTTP access token. It is preferred to the password."""
    username: str | None = None
    password: Secret | None = None

    @property
    def api(self) -> str:
        """Where its API is."""
        return f"https://{self.host}{_REST}1.0" if self.api_base_url is None else self.api_base_url.rstrip("/")

    @property
    def web(self) -> str:
        """What the URLs of pages begin with: Bitbucket may be below a path of its host."""
        return self.api.partition(_REST)[0] if _REST in self.api else f"https://{self.host}"


def hosts_of(value: JsonValue) -> list[tuple[HostOptions, str]]:
    """The hosts that `integrations.bitbucketServer` says, and where. Raises InvalidConfiguration."""
    found: list[tuple[HostOptions, str]] = []
    for index, options in enumerate(read_list(HostOptions, value, AT)):
        place = f"{AT}[{index}]"
        if not options.host or "/" in options.host:
            raise InvalidConfiguration(f"{place}.host: expected the name of a host, got {options.host!r}")
        if "://" not in options.api:
            raise InvalidConfiguration(f"{place}.apiBaseUrl: expected a URL, got {options.api!r}")
        if (options.username is None) != (options.password is None):
            missing = "username" if options.username is None else "password"
            raise InvalidConfiguration(f"{place}.{missing}: expected a text beside the other one of the two")
        found.append((options, place))
    check_distinct([options for options, _ in found], AT)
    return found


def api_of(outside: Outside, options: HostOptions, place: str) -> Api:
    """The API of a Bitbucket Server, asked as the *options* say."""
    return Api(outside, options.api, _credentials(options, f"{options.host} {place}"))


def _credentials(options: HostOptions, name: str) -> Credentials:
    if options.token is not None:
        return Fixed(name, {"authorization": f"Bearer {options.token.strip()}"})
    if options.username is not None and options.password is not None:
        return Fixed(name, {"authorization": basic(options.username, options.password)})
    return Nobody(name)
