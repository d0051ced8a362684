"""SQS: a message for each event in a queue, whose name ends with `.fifo` if it keeps their order."""

import re
from typing import Any

from callboard.builtin.sinks import aws, brokers
from callboard.builtin.sinks.aws import Send
from callboard.builtin.sinks.brokers import AwsAccount, Destination
from callboard.errors import InvalidInput

_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}(?:\.fifo)?")


def place(destination: Destination[AwsAccount]) -> str:
    """The name of the queue. Raises InvalidInput."""
    queue = destination.text("queue")
    if not _QUEUE.fullmatch(queue):
        raise InvalidInput(f"request/body/sink/queue must be the name of a queue, not a URL, found '{queue}'")
    aws.check_order(destination, queue, "queue")
    return queue


async def connect(destination: Destination[AwsAccount]) -> brokers.Connection:
    """Look for the queue. The answer says where it is; nobody else does."""
    name = destination.text("queue")

    async def send(client: Any) -> Send:
        url = (await client.get_queue_url(QueueName=name))["QueueUrl"]
        return lambda entries: client.send_message_batch(QueueUrl=url, Entries=entries)

    return await aws.connected(destination, "sqs", send, body="MessageBody", name=name)
