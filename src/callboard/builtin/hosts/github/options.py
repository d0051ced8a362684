"""What the configuration says about GitHub: `integrations.github`, with Backstage's keys."""

from collections.abc import Sequence

from callboard.builtin.hosts.installations import check_distinct
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue
from callboard.extend.configuration import Options, Secret, read_list

AT = "integrations.github"
USUAL_HOST = "github.com"


class AppOptions(Options):
    """A GitHub App, whose installations say which owners it may read."""

    app_id: int | str
    private_key: Secret
    client_id: str | None = None
    client_secret: Secret | None = None
    webhook_secret: Secret | None = None
    allowed_installation_owners: list[str] | None = None
    """Only these owners. None: all that have installed it."""


class HostOptions(Options):
    """A GitHub: github.com, or one of an organisation's own."""

    host: str = USUAL_HOST
    api_base_url: str | None = None
    raw_base_url: str | None = None
    token: Secret | None = None
    apps: Sequence[AppOptions] = ()

    @property
    def api(self) -> str:
        """Where its REST API is."""
        if self.api_base_url is not None:
            return self.api_base_url.rstrip("/")
        return "https://api.github.com" if self.host == USUAL_HOST else f"https://{self.host}/api/v3"

    @property
    def graphql(self) -> str:
        """Where its GraphQL API is."""
        return f"{self.api.removesuffix('/v3')}/graphql"

    @property
    def raw(self) -> str:
        """What the URLs of plain files begin with, beside those on the host itself."""
        if self.raw_base_url is not None:
            return self.raw_base_url.rstrip("/")
        return "https://raw.githubusercontent.com" if self.host == USUAL_HOST else f"https://{self.host}/raw"


def hosts_of(value: JsonValue) -> Sequence[HostOptions]:
    """The hosts that `integrations.github` says. Raises InvalidConfiguration."""
    hosts = read_list(HostOptions, value, AT)
    check_distinct(hosts, AT)
    for index, each in enumerate(hosts):
        if each.host != USUAL_HOST and each.api_base_url is not None and "://" not in each.api_base_url:
            raise InvalidConfiguration(f"{AT}[{index}].apiBaseUrl: expected a URL, got {each.api_base_url!r}")
    return hosts
