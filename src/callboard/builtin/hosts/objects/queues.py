"""Queues of SQS, in which the events of buckets wait."""

import datetime as dt
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

try:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError as error:
    from callboard.errors import InvalidConfiguration

    raise InvalidConfiguration(
        f"catalog.providers.awsS3: for events, expected {error.name} to be installed:"
        " pip install 'callboard[objects,aws]'"
    ) from error

from callboard.builtin.hosts.objects import roles
from callboard.builtin.hosts.objects.options import QueueEvents, S3Options
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import Outside

_MOST = 10
"""Messages that SQS sends at once."""
_LONGEST_WAIT = 20.0
_SHORTEST_PAUSE = 1.0
"""Before an empty queue that makes nobody wait is asked again."""
_ENDS_SOON = dt.timedelta(minutes=5)

Message = Mapping[str, Any]


@functools.cache
def session() -> AioSession:
    """What knows the service. It reads its description, which takes a while, once."""
    return AioSession()


class Queue:
    """A queue, and how it is asked."""

    def __init__(self, events: QueueEvents, options: S3Options, outside: Outside, at: str) -> None:
        """Raises InvalidConfiguration, which names the key below *at*."""
        self.url = events.queue.url
        self._events, self._options, self._outside = events, options, outside
        self._region, self._endpoint = _place(self.url, events.queue.region, f"{at}.queue")
        if events.wait_time > _LONGEST_WAIT:
            raise InvalidConfiguration(f"{at}.waitTime: expected at most 20 seconds, got {events.wait_time:g}")
        self._lent: Mapping[str, Any] | None = None

    def pause_after(self, count: int) -> float:
        """Seconds before the queue is asked again, after it has sent *count* messages."""
        if count:
            return 0.0
        return max(self._events.wait_time_after_empty_receive, 0.0 if self._events.wait_time >= 1 else _SHORTEST_PAUSE)

    @asynccontextmanager
    async def asked(self) -> "AsyncIterator[Asked]":
        """The queue, to be asked. Raises Unreadable for whatever the service refuses meanwhile."""
        seconds = self._outside.timeout_seconds
        config = AioConfig(
            connect_timeout=min(10.0, seconds),
            read_timeout=seconds + self._events.wait_time,
            # What fails comes again in its own time.
            retries={"total_max_attempts": 1},
        )
        try:
            client: Any = session().create_client(
                "sqs", region_name=self._region, endpoint_url=self._endpoint, config=config, **await self._proof()
            )
            async with client as sqs:
                yield Asked(self.url, sqs, self._events)
        except ClientError as error:
            # Its words may hold what was signed.
            code = error.response.get("Error", {}).get("Code", "an error")
            raise Unreadable(f"the queue {self.url} answered {code}") from None
        except BotoCoreError as error:
            raise Unreadable(f"the queue {self.url} can't be asked: {type(error).__name__}") from None

    async def _proof(self) -> dict[str, Any]:
        own = self._options
        if own.role_arn is None:
            return {
                "aws_access_key_id": own.access_key_id,
                "aws_secret_access_key": None if own.secret_access_key is None else str(own.secret_access_key).strip(),
            }
        if self._lent is None or self._lent["expires_at"] < self._outside.clock.now() + _ENDS_SOON:
            self._lent = dict(await roles.lent(own, self._region))
        return {
            "aws_access_key_id": self._lent["access_key_id"],
            "aws_secret_access_key": self._lent["secret_access_key"],
            "aws_session_token": self._lent["token"],
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """A queue while it is asked."""

    url: str
    client: Any
    events: QueueEvents

    async def fetch(self) -> Sequence[Message]:
        """Up to ten messages, at once when there are some."""
        wanted: dict[str, Any] = {"QueueUrl": self.url, "MaxNumberOfMessages": _MOST}
        wanted["WaitTimeSeconds"] = round(self.events.wait_time)
        if self.events.visibility_timeout is not None:
            wanted["VisibilityTimeout"] = round(self.events.visibility_timeout)
        found: Sequence[Message] = (await self.client.receive_message(**wanted)).get("Messages", ())
        return found

    async def delete(self, messages: Sequence[Message]) -> None:
        """Say that *messages* are done. One that can't be deleted comes again."""
        entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
        if entries:
            await self.client.delete_message_batch(QueueUrl=self.url, Entries=entries)


def _place(url: str, region: str | None, at: str) -> tuple[str, str | None]:
    """The region of a queue, and the address of the service unless it is Amazon's. Raises InvalidConfiguration."""
    try:
        parts = urlsplit(url)
        host, usable = parts.hostname or "", parts.scheme in ("http", "https") and parts.username is None
    except ValueError:
        host, usable = "", False
    if not usable or not host or parts.path.count("/") < 2:
        raise InvalidConfiguration(f"{at}.url: expected the URL of a queue, got {url!r}")
    labels = host.split(".")
    is_amazon = "amazonaws" in labels
    # https://sqs.eu-central-1.amazonaws.com/123456789012/name
    found = region or (labels[1] if is_amazon and labels[0] == "sqs" and len(labels) > 3 else None)
    if found is None:
        raise InvalidConfiguration(f"{at}.region: expected the region of the queue, got none")
    return found, None if is_amazon else f"{parts.scheme}://{parts.netloc}"
