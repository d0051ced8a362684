"""The webhook sink: batches of CloudEvents by POST, signed as Standard Webhooks says."""

import asyncio
import base64
import binascii
import datetime as dt
import email.utils
import hashlib
import hmac
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx2

from callboard.builtin.sinks.addresses import Receivers
from callboard.clock import Clock
from callboard.errors import Gone, InvalidInput, Unavailable, Unreadable
from callboard.extend import Event, EventSink, SinkTarget, cloud_events

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
_READ = 64 * 1024
_MOST_SECRETS = 10

Client = Callable[[], httpx2.AsyncClient]
"""Makes a client for one request: a connection to an address must not be used for another name at the same one."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as this machine knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookKind:
    """Makes webhook sinks."""

    receivers: Receivers
    client: Client
    clock: Clock
    source: str
    """What the events say they come from."""
    timeout_seconds: float = 20.0
    type: str = "webhook"
    options: Sequence[str] = ("url", "secrets")

    def check(self, target: SinkTarget) -> None:
        """Raise InvalidInput or NotAllowed for a target that can't be delivered to."""
        url = target.options.get("url")
        if not isinstance(url, str):
            raise InvalidInput("a webhook needs a url")
        self.receivers.check(url)
        if not 1 <= len(target.secrets) <= _MOST_SECRETS:
            raise InvalidInput(f"a webhook needs 1 to {_MOST_SECRETS} secrets, each {_EXPECTED}")
        for secret in target.secrets:
            key_of(secret)

    def open(self, target: SinkTarget) -> EventSink:
        """A sink that posts to the URL of *target*."""
        return WebhookSink(self, target)


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """Posts to one URL."""

    kind: WebhookKind
    target: SinkTarget

    async def deliver(self, batch: Sequence[Event]) -> None:
        """Post the *batch*; returns when the answer is a 2xx.

        Raises Gone for a 410, NotAllowed for a URL that must not be reached, Unavailable with what the receiver has
        said about another try, and Unreadable for anything else.
        """
        kind = self.kind
        url = kind.receivers.check(str(self.target.options.get("url")))
        body = cloud_events.batch_of(batch, kind.source)
        try:
            async with asyncio.timeout(kind.timeout_seconds):
                address = await kind.receivers.address_of(url)
                answer = await self._post(url, address, body)
        except TimeoutError as error:
            raise Unreadable(f"no answer within {kind.timeout_seconds:g} s") from error
        except httpx2.HTTPError as error:
            raise Unreadable(str(error) or type(error).__name__) from error
        if 200 <= answer.status_code < 300:
            return
        raise _complaint(answer, kind.clock.now())

    async def _post(self, url: httpx2.URL, address: str, body: bytes) -> httpx2.Response:
        headers = {
            "host": url.netloc.decode("ascii"),
            "content-type": cloud_events.BATCH,
            **signed(_id(self.target, body), self.kind.clock.now(), body, self.target.secrets),
        }
        pinned = url.copy_with(host=address)
        extensions = {"sni_hostname": url.raw_host.decode("ascii")}
        async with (
            self.kind.client() as client,
            client.stream(
                "POST",
                pinned,
                content=body,
                headers=headers,
                extensions=extensions,
                follow_redirects=False,
                timeout=self.kind.timeout_seconds,
            ) as answer,
        ):
            # Some servers count a request as failed whose answer nobody reads. Of an endless one a part will do.
            seen = 0
            async for piece in answer.aiter_raw():
                seen += len(piece)
                if seen > _READ:
                    break
            return answer

    async def close(self) -> None:
        """Nothing stays open."""


def signed(message: str, at: dt.datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers that prove to whoever knows one of the *secrets* where *body* comes from."""
    timestamp = str(int(at.timestamp()))
    content = b"%b.%b.%b" % (message.encode(), timestamp.encode(), body)
    signatures = (base64.b64encode(hmac.digest(key_of(secret), content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


_EXPECTED = f"{_PREFIX} and {_SHORTEST} to {_LONGEST} bytes in base64"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises InvalidInput, which does not tell the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise InvalidInput(f"a secret must be {_EXPECTED}")
    return key


def _id(target: SinkTarget, body: bytes) -> str:
    """The same for the same content, so that a receiver knows a repetition; another one after the cursor was moved.

    No dots: what is signed has them between its parts.
    """
    content = b"%b.%d.%b" % (target.subscription.encode(), target.generation, body)
    return f"msg_{hashlib.sha256(content).hexdigest()[:40]}"


def _complaint(answer: httpx2.Response, now: dt.datetime) -> Exception:
    said = f"{answer.status_code} {answer.reason_phrase}".rstrip()
    if answer.status_code == 410:
        return Gone(f"the receiver has answered {said}: it wants nothing any more")
    if answer.is_redirect:
        return Unreadable(f"the receiver has answered {said}; redirects are not followed, so change the url")
    error = Unavailable(f"the receiver has answered {said}")
    error.retry_after = retry_after(answer.headers.get("retry-after"), now)
    return error


def retry_after(text: str | None, now: dt.datetime) -> float | None:
    """The seconds that the header Retry-After says, as a number or as a date; None when it says nothing."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=dt.UTC)) - now).total_seconds())
