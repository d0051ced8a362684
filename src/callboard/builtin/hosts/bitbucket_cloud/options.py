"""What the configuration says about Bitbucket Cloud: `integrations.bitbucketCloud`, with Backstage's keys."""

from collections.abc import Sequence

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody, basic
from callboard.builtin.hosts.tokens import Granted
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue, Outside
from callboard.extend.configuration import Options, Secret, read_list

AT = "integrations.bitbucketCloud"
USUAL_HOST = "bitbucket.org"
_API = "https://api.bitbucket.org/2.0"


class HostOptions(Options):
    """Who reads Bitbucket Cloud, of which there is one."""

    host: str = USUAL_HOST
    api_base_url: str = _API
    username: str | None = None
    """Of the app password; the e-mail address, of an API token."""
    app_password: Secret | None = None
    token: Secret | None = None
    """An API token, with *username*; alone an access token of a workspace, project or repository."""
    client_id: str | None = None
    client_secret: Secret | None = None
    """Of an OAuth consumer."""


def host_of(value: JsonValue) -> tuple[HostOptions, str]:
    """The entry of `integrations.bitbucketCloud`, and where it stands. Raises InvalidConfiguration."""
    hosts = read_list(HostOptions, value, AT)
    if not hosts:
        return HostOptions(), AT
    if len(hosts) > 1:
        raise InvalidConfiguration(f"{AT}: expected one entry, got {len(hosts)}: there is one Bitbucket Cloud")
    _check(hosts[0], f"{AT}[0]")
    return hosts[0], f"{AT}[0]"


def _check(options: HostOptions, at: str) -> None:
    if (options.client_id is None) != (options.client_secret is None):
        missing = "clientId" if options.client_id is None else "clientSecret"
        raise InvalidConfiguration(f"{at}.{missing}: expected a text beside the other one of the OAuth consumer")
    if options.app_password is not None and options.username is None:
        raise InvalidConfiguration(f"{at}.username: expected a text, since there is an appPassword")
    known: Sequence[object] = (options.app_password, options.token, options.client_id)
    if options.username is not None and not any(known):
        raise InvalidConfiguration(f"{at}: expected a token or an appPassword for the username")
    if "://" not in options.api_base_url:
        raise InvalidConfiguration(f"{at}.apiBaseUrl: expected a URL, got {options.api_base_url!r}")


def api_of(outside: Outside, options: HostOptions, at: str) -> Api:
    """The API of Bitbucket Cloud, asked as the *options* say."""
    return Api(outside, options.api_base_url, _credentials(outside, options, at))


def _credentials(outside: Outside, options: HostOptions, at: str) -> Credentials:
    name = f"{options.host} {at}"
    if options.client_id is not None and options.client_secret is not None:
        application = Fixed(name, {"authorization": basic(options.client_id, options.client_secret)})
        return Granted(
            name=name,
            api=Api(outside, f"https://{options.host}/", application, resource="oauth"),
            path="site/oauth2/access_token",
            form={"grant_type": "client_credentials"},
            clock=outside.clock,
        )
    secret = options.token or options.app_password
    if secret is None:
        return Nobody(name)
    proof = f"Bearer {secret}" if options.username is None else basic(options.username, secret)
    return Fixed(name, {"authorization": proof})
