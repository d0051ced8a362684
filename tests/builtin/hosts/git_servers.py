"""Servers of git repositories: git's own HTTP backend behind a small web server, and OpenSSH."""

import base64
import contextlib
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.programs import Program

SSHD = "/usr/sbin/sshd"

_SETTINGS = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}

FILE, LINK, MODULE = "100644", "120000", "160000"


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository without a working copy: written by hand, and then by one process for each commit."""

    path: Path

    @classmethod
    def make(cls, path: Path, *, filters: bool = True) -> "Origin":
        """An empty repository; without *filters* it always sends everything."""
        for folder in ("objects", "refs/heads", "refs/tags"):
            (path / folder).mkdir(parents=True)
        (path / "HEAD").write_text("ref: refs/heads/main\n")
        (path / "config").write_text(
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
            f"[uploadpack]\n\tallowFilter = {str(filters).lower()}\n"
        )
        return cls(path)

    def commit(
        self, files: Mapping[str, str | bytes], branch: str = "main", *, mode: str = FILE, tag: str | None = None
    ) -> str:
        """Put *files* on top of *branch*, or of main if it is a new one; the hash of the commit."""
        ref = self.path / "refs" / "heads" / branch
        lines = [f"commit refs/heads/{branch}", "mark :1", "committer a <a@example.com> 0 +0000", "data 0"]
        before = branch if ref.exists() else "main"
        if (self.path / "refs" / "heads" / before).exists():
            lines.append(f"from refs/heads/{before}^0")
        stream = "\n".join(lines).encode() + b"\n"
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            if mode == MODULE:
                stream += b"M %b %b %b\n" % (mode.encode(), data, path.encode())
            else:
                stream += b"M %b inline %b\ndata %d\n%b\n" % (mode.encode(), path.encode(), len(data), data)
        if tag is not None:
            stream += f"tag {tag}\nfrom :1\ntagger a <a@example.com> 0 +0000\ndata 0\n".encode()
        command = ["git", "--git-dir", str(self.path), "fast-import", "--quiet"]
        subprocess.run(command, input=stream, check=True, capture_output=True, env={**os.environ, **_SETTINGS})
        return ref.read_text().strip()


@dataclass(slots=True)
class WebServer:
    """Git's HTTP backend. It may ask for a password."""

    folder: Path
    password: tuple[str, str] | None = None
    port: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for by those who are admitted."""
    redirect_to: str | None = None

    @property
    def total(self) -> int:
        return self.requests.total()

    @contextlib.contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator["WebServer"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            path, _, query = self.path.partition("?")
            if server.redirect_to is not None:
                self.send_response(302)
                self.send_header("location", server.redirect_to + self.path)
                self.end_headers()
                return
            if server.password is not None:
                proof = base64.b64encode(":".join(server.password).encode()).decode()
                if self.headers.get("authorization") != f"Basic {proof}":
                    self.send_response(401)
                    self.send_header("www-authenticate", 'Basic realm="git"')
                    self.end_headers()
                    return
            server.requests[path] += 1
            self._run(path, query, body)

        def _run(self, path: str, query: str, body: bytes) -> None:
            environment = {
                **os.environ,
                **_SETTINGS,
                "GIT_PROJECT_ROOT": str(server.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_LENGTH": str(len(body)),
            }
            done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [line.partition(": ") for line in head.decode().split("\r\n")]
            status = next((value for name, _, value in headers if name == "Status"), "200 OK")
            self.send_response(int(status.split()[0]))
            for name, _, value in headers:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _respond  # noqa: N815 - the names that are called

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name that is given
            return

    return Handler


@dataclass(frozen=True, slots=True)
class SshServer:
    """OpenSSH, for whoever has the key."""

    program: Program
    key: str
    """The private key that is let in."""
    known_hosts: str

    @property
    def port(self) -> int:
        return self.program.port

    @property
    def user(self) -> str:
        return getpass.getuser()


def missing_for_ssh() -> str | None:
    """Why there can be no server for SSH here; None when there can."""
    if not Path(SSHD).exists() or shutil.which("ssh") is None:
        return f"there is no {SSHD} (Debian: apt install openssh-server openssh-client)"
    return None


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """A server that uses *folder* for its keys."""
    for name in ("host", "user", "other"):
        arguments = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(arguments, check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "StrictModes": "no",
        "PidFile": "none",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "AcceptEnv": "GIT_PROTOCOL",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    program = Program(command=command, port=port, log=folder / "sshd.log")
    program.start()
    try:
        known = f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}"
        yield SshServer(program, (folder / "user").read_text(), known)
    finally:
        program.kill()
