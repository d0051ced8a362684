"""What SQS and SNS have in common: batches of ten, groups that keep their order, and a body that says it all.

Headers are few there, and can't hold every text; so the body is the whole CloudEvent, and the attributes are what
filters need.
"""

import functools
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from callboard.builtin.sinks.brokers import AwsAccount, Destination
from callboard.builtin.sinks.messages import Message
from callboard.errors import InvalidInput, Unreadable
from callboard.extend import EntityRef

LIMIT = 262_144
"""Bytes of a message, and of a batch, attributes included. SQS takes more since 2025, SNS does not."""

_MOST = 10
_LONGEST_GROUP = 128
_GROUP = re.compile(r"[!-~]{1,128}")

FIFO = ".fifo"

Entry = Mapping[str, object]
Send = Callable[[Sequence[Entry]], Awaitable[Mapping[str, Any]]]


def check_order(destination: Destination[AwsAccount], name: str, option: str) -> None:
    """Raise InvalidInput for what keeps no order, unless the subscription says that it need not."""
    if destination.flag("ordered", default=True) and not name.endswith(FIFO):
        raise InvalidInput(
            f"request/body/sink/{option} is '{name}', which keeps no order; use one whose name ends with {FIFO}, or"
            " say 'ordered': false and compare offsets where events come in"
        )


@functools.cache
def session() -> AioSession:
    """What knows the services. It reads their descriptions, which takes a while, once."""
    return AioSession()


def client_of(account: AwsAccount, service: str, timeout_seconds: float) -> AbstractAsyncContextManager[Any]:
    """A client for a service."""
    # What fails comes again in its own time: attempts of the library would only hold up the engine.
    config = AioConfig(connect_timeout=timeout_seconds, read_timeout=timeout_seconds, retries={"total_max_attempts": 1})
    found: AbstractAsyncContextManager[Any] = session().create_client(
        service,
        region_name=account.region,
        endpoint_url=account.endpoint,
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        config=config,
    )
    return found


async def connected(
    destination: Destination[AwsAccount], service: str, send: Callable[[Any], Awaitable[Send]], *, body: str, name: str
) -> "Batches":
    """An open client, and what sends ten messages through it; the service calls their bodies *body*."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(destination.server, service, destination.timeout_seconds))
        sending = await send(client)
        kept = stack.pop_all()
    limit = destination.limit(LIMIT)
    return Batches(stack=kept, send=sending, body=body, ordered=name.endswith(FIFO), limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """An open client that sends batches of ten."""

    stack: AsyncExitStack
    send: Send
    body: str
    """What the service calls the body."""
    ordered: bool
    limit: int

    async def publish(self, batch: Sequence[Message]) -> None:
        """Send ten after ten, each when those before have been taken. Raises Unreadable with the first that is not."""
        for ten in self._tens([fitting(message, self.limit) for message in batch]):
            answer = await self.send([self._entry(str(number), message) for number, message in enumerate(ten)])
            if failed := answer.get("Failed"):
                message = ten[int(failed[0]["Id"])]
                raise Unreadable(
                    f"{message.ref} at offset {message.attributes['offset']} was not taken:"
                    f" {failed[0].get('Message') or failed[0].get('Code')}"
                )

    def _tens(self, batch: Sequence[Message]) -> Iterator[Sequence[Message]]:
        ten: list[Message] = []
        held = 0
        for message in batch:
            size = _size(message)
            if ten and (len(ten) == _MOST or held + size > self.limit):
                yield ten
                ten, held = [], 0
            ten.append(message)
            held += size
        if ten:
            yield ten

    def _entry(self, number: str, message: Message) -> Entry:
        entry: dict[str, object] = {
            "Id": number,
            self.body: _text(message),
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": text} for name, text in _attributes(message).items()
            },
        }
        if self.ordered:
            entry |= {"MessageGroupId": group(message.ref), "MessageDeduplicationId": message.id}
        return entry

    async def close(self) -> None:
        """Close the connections."""
        await self.stack.aclose()


def group(ref: str) -> str:
    """What keeps the events of one entity in their order: its ref, or a hash where that is too long for a group."""
    if _GROUP.fullmatch(ref):
        return ref
    return hashlib.sha256(ref.encode()).hexdigest()


def fitting(message: Message, limit: int) -> Message:
    """The *message*, without its body if it has more than *limit* bytes."""
    return message if _size(message) <= limit else message.without_body


def _size(message: Message) -> int:
    attributes = sum(len(name) + len(text.encode()) + len("String") for name, text in _attributes(message).items())
    return len(_text(message).encode()) + attributes


def _text(message: Message) -> str:
    """The whole event. The only characters of JSON that these services refuse are escaped."""
    return message.structured.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _attributes(message: Message) -> dict[str, str]:
    ref = EntityRef.parse(message.ref)
    return {
        "type": message.attributes["type"],
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "offset": message.attributes["offset"],
    }
