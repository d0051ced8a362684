"""The settings that files and flags amount to."""

from pathlib import Path

import pytest

from callboard.cli.options import server_settings
from callboard.errors import InvalidConfiguration

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
