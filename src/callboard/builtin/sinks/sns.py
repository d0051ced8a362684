"""SNS: a message for each event to a topic, whose name ends with `.fifo` if it keeps their order."""

import re
from typing import Any

from callboard.builtin.sinks import aws, brokers
from callboard.builtin.sinks.aws import Send
from callboard.builtin.sinks.brokers import AwsAccount, Destination
from callboard.errors import InvalidInput

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")


def place(destination: Destination[AwsAccount]) -> str:
    """The ARN of the topic. Raises InvalidInput."""
    topic, region = destination.text("topic"), destination.server.region
    arn = _TOPIC.fullmatch(topic)
    if arn is None or arn[1] != region:
        raise InvalidInput(f"request/body/sink/topic must be the ARN of a topic in {region}, found '{topic}'")
    aws.check_order(destination, topic, "topic")
    return topic


async def connect(destination: Destination[AwsAccount]) -> brokers.Connection:
    """A client, which connects with the first batch."""
    topic = destination.text("topic")

    async def send(client: Any) -> Send:
        return lambda entries: client.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)

    return await aws.connected(destination, "sns", send, body="Message", name=topic)
