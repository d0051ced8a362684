"""Options: what `integrations.git` says of a host."""

import re
from urllib.parse import urlsplit

from callboard.errors import InvalidConfiguration
from callboard.extend.configuration import Options, Secret

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ssh": 22}


class GitOptions(Options, kw_only=True):
    """An entry of `integrations.git`."""

    host: str
    """`git.example.com`, with the port if it is an unusual one."""
    username: str | None = None
    """For HTTPS, and for SSH URLs that name no user; these begin with `git@` as a rule."""
    password: Secret | None = None
    token: Secret | None = None
    """Stands for the password, under any user name."""
    ssh_key: Secret | None = None
    """The private key itself, without a passphrase."""
    ssh_key_file: str | None = None
    known_hosts: str | None = None
    """Lines of a `known_hosts` file."""
    known_hosts_file: str | None = None
    ca_file: str | None = None
    """Certificates of the authorities that have signed for the host."""
    allow_http: bool = False
    """Whether URLs may begin with `http://`: what is sent there, the password included, others may read."""
    max_cache_bytes: int = 2 * 1024**3
    """What copies of this host's repositories may take on disk; those that have not been used for longest go first."""

    def checked(self, at: str) -> "GitOptions":
        """The same, if it can be meant. Raises InvalidConfiguration, which names the key below *at*."""
        if not _HOST.fullmatch(self.host):
            raise InvalidConfiguration(f"{at}.host: expected a host, with a port if needed, got {self.host!r}")
        if self.username is not None and not _USER.fullmatch(self.username):
            raise InvalidConfiguration(f"{at}.username: expected the name of a user, got {self.username!r}")
        for name, value in (("password", self.password), ("token", self.token)):
            if value is not None and (not value or not value.isprintable()):
                raise InvalidConfiguration(f"{at}.{name}: expected a text of one line, got another one")
        for names, both in (
            ("password and token", (self.password, self.token)),
            ("sshKey and sshKeyFile", (self.ssh_key, self.ssh_key_file)),
            ("knownHosts and knownHostsFile", (self.known_hosts, self.known_hosts_file)),
        ):
            if None not in both:
                raise InvalidConfiguration(f"{at}: expected one of {names}, got both")
        if self.password is not None and self.username is None:
            raise InvalidConfiguration(f"{at}.username: expected a value beside the password, got none")
        if self.max_cache_bytes <= 0:
            raise InvalidConfiguration(f"{at}.maxCacheBytes: expected a number above 0, got {self.max_cache_bytes}")
        return self

    @property
    def schemes(self) -> tuple[str, ...]:
        """What URLs may begin with."""
        return ("https", "ssh", "http") if self.allow_http else ("https", "ssh")

    def is_at(self, url: str) -> bool:
        """Whether *url* leads to this host, in a way that is allowed, and has no password in it."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            return False
        if parts.scheme not in self.schemes or not host or parts.password is not None:
            return False
        if parts.username is not None and (parts.scheme != "ssh" or not _USER.fullmatch(parts.username)):
            return False
        own = urlsplit(f"//{self.host}")
        usual = _DEFAULT_PORTS[parts.scheme]
        return host == own.hostname and (port or usual) == (own.port or usual)
