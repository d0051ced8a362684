"""The settings that files and flags amount to."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from callboard.cli.options import passed_on, server_flags, server_settings
from callboard.errors import InvalidConfiguration
from callboard.settings import LogFormat

STATIC = "backend: {auth: {externalAccess: [{type: static, options: {token: token-of-ci, subject: ci}}]}}"


def configured(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "app-config.yaml"
    file.write_text(text, "utf-8")
    return file


def test_it_listens_beyond_loopback_only_where_callers_must_say_who_they_are(tmp_path: Path) -> None:
    nothing, everywhere = configured(tmp_path, "app: {title: x}"), "0.0.0.0"

    with pytest.raises(
        InvalidConfiguration, match=r"refusing to listen on 0\.0\.0\.0:7007: nobody would have to log in"
    ):
        server_settings(files=[nothing], host=everywhere)
    assert server_settings(files=[nothing]).backend.listen.loopback
    assert server_settings(files=[nothing], host=everywhere, insecure=True).backend.listen.host == everywhere
    static = configured(tmp_path, STATIC)
    assert server_settings(files=[static], host=everywhere).backend.listen.host == everywhere


def test_tokens_that_are_switched_off_protect_nobody(tmp_path: Path) -> None:
    off = STATIC.replace("auth: {", "auth: {dangerouslyDisableDefaultAuthPolicy: true, ")

    with pytest.raises(InvalidConfiguration, match="refusing to listen"):
        server_settings(files=[configured(tmp_path, off)], host="0.0.0.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("permission: {enabled: true}", "permission.enabled: nobody is there to decide"),
        (
            "callboard: {permissions: {policy: [{who: ['*'], allow: [catalog.entity.reed]}]}}",
            "catalog.entity.reed",
        ),
    ],
)
def test_permissions_that_can_not_work_end_the_start(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidConfiguration, match=reason):
        server_settings(files=[configured(tmp_path, text)])


@pytest.mark.parametrize("form", LogFormat)
def test_the_form_of_the_log_is_written_as_in_the_configuration_and_passed_on_like_that(form: LogFormat) -> None:
    taken: list[list[str]] = []
    command = server_flags(click.Command("serve", callback=lambda **flags: taken.append(passed_on(**flags))))

    command.main(["--log-format", form.value], standalone_mode=False)

    assert taken == [["--log-format", form.value]]


def test_a_log_record_is_one_write_so_that_those_of_several_processes_do_not_mix() -> None:
    program = (
        "import structlog; from callboard import settings; from callboard.cli.options import set_up_logging;"
        " set_up_logging(settings.defaults()); structlog.get_logger().info('engine.started')"
    )
    receiving, sending = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    # Each write to a datagram socket is a datagram. Containers like to run Python unbuffered.
    with receiving, sending:
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stderr=sending.fileno(),
            check=True,
        )
        written = receiving.recv(10_000)

    assert b"engine.started" in written
    assert written.endswith(b"\n")


def test_what_a_library_warns_of_is_a_record_like_our_own_traceback_included() -> None:
    program = (
        "import logging; from callboard import settings; from callboard.cli.options import set_up_logging;"
        " from callboard.settings import LogFormat;"
        " set_up_logging(settings.defaults().overridden({'callboard.logging.format': LogFormat.JSON}));"
        " logging.getLogger('asyncpg.pool').warning('no %s', 'floor', exc_info=OSError('refused'))"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    [record] = map(json.loads, ended.stderr.splitlines())

    assert (record["event"], record["level"], record["logger"]) == ("no floor", "warning", "asyncpg.pool")
    assert record["exception"] == "OSError: refused"
