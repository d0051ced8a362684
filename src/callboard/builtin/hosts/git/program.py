"""The `git` program: what it may do, how it proves who asks, and what its errors mean.

It runs without a shell and without anybody's settings, asks nobody, and speaks no protocols but those of the host. What
it proves itself with, it gets through its environment and from files that only this user can read.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
import tempfile
import weakref
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from callboard.builtin.hosts.git.options import GitOptions
from callboard.errors import CallboardError, LocationNotFound, Unreadable
from callboard.extend import Outside

if sys.platform == "linux":
    import resource

_PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
)  # fmt: skip
"""What it may see of the environment."""

_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$CALLBOARD_GIT_USER" "$CALLBOARD_GIT_PASSWORD";'
    " }; f"
)
"""What git calls for a password. It is named for one host only, so that no other one gets to see it."""

_MOST_ERRORS = 16 * 1024
_CHUNK = 64 * 1024
_NOT_THERE = re.compile(
    r"repository [^\n]* not found|does not appear to be a git repository|no such repository|repository does not exist",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"authentication failed|could not read (?:username|password)|permission denied|returned error: 40[13]",
    re.IGNORECASE,
)
_UNKNOWN_HOST = re.compile(r"host key verification failed|no .* host key is known", re.IGNORECASE)
_BROKEN = re.compile(
    r"corrupt|bad object|not a valid object|not a git repository|bad config|loose object", re.IGNORECASE
)
_TOO_LARGE = re.compile(r"file too large|signal 25", re.IGNORECASE)
_TOLD = re.compile(r"(?:fatal|error|remote): *(.*\S)", re.IGNORECASE)


class Broken(Unreadable):
    """The copy of a repository can't be used."""


class Git:
    """Runs `git` for one host."""

    def __init__(self, outside: Outside, options: GitOptions, at: str) -> None:
        """*at* is the key of the configuration, for error messages."""
        self.outside = outside
        self._options = options
        self._at = at
        self._slots = asyncio.Semaphore(outside.per_host)
        self._environment: dict[str, str] | None = None
        secrets = (options.password, options.token, options.ssh_key)
        self._secrets = [str(secret) for secret in secrets if secret]

    async def run(
        self,
        *arguments: str,
        folder: Path,
        repository: Path | None = None,
        sent: bytes = b"",
        seconds: float | None = None,
        most: int,
        most_written: int | None = None,
    ) -> bytes:
        """What `git` with these *arguments* prints, run in *folder* on the *repository*.

        It is killed after so many *seconds*, by default as many as an answer may take, and when it prints more than
        *most* bytes or writes a file of more than *most_written*. Raises LocationNotFound or Unreadable.
        """
        environment = dict(self._known_environment())
        if repository is not None:
            environment["GIT_DIR"] = str(repository)
        seconds = seconds or self.outside.timeout_seconds
        async with self._slots:
            try:
                process = await asyncio.create_subprocess_exec(
                    "git",
                    *arguments,
                    cwd=folder,
                    env=environment,
                    stdin=PIPE if sent else DEVNULL,
                    stdout=PIPE,
                    stderr=PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                raise Unreadable(f"git can't be run: {error.strerror or error}") from error
            try:
                _limit(process, most_written)
                async with asyncio.timeout(seconds):
                    output, errors = await _conversation(process, sent, most)
                    status = await process.wait()
            except TimeoutError as error:
                raise Unreadable(f"{self._options.host}: git had not finished after {seconds:g} s") from error
            finally:
                await _ended(process)
        if status != 0:
            raise self._meaning(errors.decode(errors="replace"), status, repository)
        return output

    def _meaning(self, errors: str, status: int, repository: Path | None) -> CallboardError:
        """The error that the program has ended with, in words without secrets."""
        is_broken = _BROKEN.search(errors) is not None
        if repository is not None and str(repository) in errors:
            is_broken, errors = True, errors.replace(str(repository), "the copy")
        for secret in self._secrets:
            errors = errors.replace(secret, "…")
        host = self._options.host
        lines = _TOLD.findall(errors) or errors.split("\n")
        told = " ".join("".join(c if c.isprintable() else " " for c in "; ".join(lines)).split())[:300]
        if _UNKNOWN_HOST.search(errors):
            return Unreadable(f"{host} has a key that is not among the known ones ({self._at}.knownHosts)")
        if _REFUSED.search(errors):
            return Unreadable(f"{host} does not accept the credentials of {self._at}: {told}")
        if _TOO_LARGE.search(errors) or status == -signal.SIGXFSZ:
            return Unreadable(f"{host}: what it has sent is larger than what may be kept")
        if _NOT_THERE.search(errors):
            return LocationNotFound(f"{host}: {told}")
        if is_broken:
            return Broken(f"{host}: {told}")
        return Unreadable(f"{host}: git ended with status {status}: {told or 'it does not say why'}")

    def _known_environment(self) -> Mapping[str, str]:
        if self._environment is None:
            self._environment = {**_usual_environment(), **self._proof()}
        return self._environment

    def _proof(self) -> dict[str, str]:
        """What git proves with who asks, and how it knows the host."""
        own = self._options
        settings = [*_SETTINGS]
        environment = {"GIT_ALLOW_PROTOCOL": ":".join(own.schemes), "GIT_SSH_COMMAND": self._ssh_command()}
        password = own.token or own.password
        if password is not None:
            environment["CALLBOARD_GIT_USER"] = own.username or "git"
            environment["CALLBOARD_GIT_PASSWORD"] = str(password)
            settings += [
                (f"credential.{scheme}://{own.host}.helper", _HELPER) for scheme in own.schemes if scheme != "ssh"
            ]
        if own.ca_file is not None:
            environment["GIT_SSL_CAINFO"] = own.ca_file
        return {**environment, **dict(_as_environment(settings))}

    def _ssh_command(self) -> str:
        own = self._options
        said = [
            "BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no", "ClearAllForwardings=yes",
            "PermitLocalCommand=no", "ControlMaster=no", f"ConnectTimeout={max(1, int(self.outside.timeout_seconds))}",
        ]  # fmt: skip
        key = own.ssh_key_file or self._private("key", own.ssh_key)
        if key is not None:
            said += ["IdentitiesOnly=yes", f"IdentityFile={_quoted(key)}"]
        hosts = own.known_hosts_file or self._private("known_hosts", own.known_hosts)
        if hosts is not None:
            said += [f"UserKnownHostsFile={_quoted(hosts)}", "GlobalKnownHostsFile=/dev/null"]
        # None of the user's own settings: they may run programs.
        return shlex.join(["ssh", "-F", "/dev/null", *(f"-o{option}" for option in said)])

    def _private(self, name: str, content: str | None) -> str | None:
        """A file with *content* that only this user can read, as long as this object lives."""
        if content is None:
            return None
        folder = tempfile.TemporaryDirectory(prefix="callboard-git-")
        weakref.finalize(self, folder.cleanup)
        path = Path(folder.name) / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            # ssh takes no key whose last line has no end, which is what many a variable has lost.
            file.write(content.replace("\r\n", "\n").rstrip("\n") + "\n")
        return str(path)


_SETTINGS: Sequence[tuple[str, str]] = (
    ("credential.helper", ""),
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("protocol.version", "2"),
    # Where a server sends us is not where the configuration does.
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "100"),
    ("http.lowSpeedTime", "60"),
)


def _usual_environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    if "SSL_CERT_FILE" in passed:
        passed.setdefault("GIT_SSL_CAINFO", passed["SSL_CERT_FILE"])
    return {
        **passed,
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "en",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_VARIANT": "ssh",
    }


def _as_environment(settings: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield "GIT_CONFIG_COUNT", str(len(settings))
    for index, (key, value) in enumerate(settings):
        yield f"GIT_CONFIG_KEY_{index}", key
        yield f"GIT_CONFIG_VALUE_{index}", value


def _quoted(path: str) -> str:
    return '"' + path.replace("%", "%%").replace('"', '\\"') + '"'


def _limit(process: Process, most_written: int | None) -> None:
    """Let no file grow larger than that which *process*, and those that it starts from now on, write."""
    if most_written is not None and sys.platform == "linux":
        try:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most_written, most_written))
        except ProcessLookupError:
            return  # it has ended already


async def _conversation(process: Process, sent: bytes, most: int) -> tuple[bytes, bytes]:
    """What the process prints, and what it says about errors. Raises Unreadable for more than *most* bytes."""
    assert process.stdout is not None
    assert process.stderr is not None
    if process.stdin is not None:
        process.stdin.write(sent)
        process.stdin.close()
    telling = asyncio.create_task(_end_of(process.stderr))
    try:
        return await _all_of(process.stdout, most), await telling
    finally:
        telling.cancel()


async def _all_of(stream: asyncio.StreamReader, most: int) -> bytes:
    data = bytearray()
    while chunk := await stream.read(_CHUNK):
        data += chunk
        if len(data) > most:
            raise Unreadable(f"git has more than {most} bytes to say")
    return bytes(data)


async def _end_of(stream: asyncio.StreamReader) -> bytes:
    data = b""
    while chunk := await stream.read(_CHUNK):
        data = (data + chunk)[-_MOST_ERRORS:]
    return data


async def _ended(process: Process) -> None:
    """Wait for the end of the process, and of what it has started; kill what still runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # it may have ended just now
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
