"""Whole answers: head and body handed to uvicorn's connection at once, where both are known.

uvicorn takes an answer in two messages, looks at each header of the first by two regular expressions, and makes a
system call for each message. That is a fifth of what a small answer takes. So what is complete is written here, and
uvicorn is told that it has been. Everything else goes the usual way: whatever is streamed, compressed on its way or
touched by somebody who stands between here and the server, and every answer after which the connection ends.
"""

from collections.abc import Mapping

from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_COPIED = 16 * 1024
"""Bytes that are copied to stand behind their head. Of more than that the kernel is given two pieces."""


def sent(send: Send, start: Message, present: Mapping[bytes, bytes], body: bytes) -> bool:
    """Send *body* behind the *start* of its answer, in whose headers these are *present*.

    False, and nothing has happened, where this can't be done: then *send* both.
    """
    cycle = getattr(send, "__self__", None)
    if not (isinstance(cycle, RequestResponseCycle) and body and _is_simple(cycle)):
        return False
    if present.get(b"content-length") != b"%d" % len(body) or b"connection" in present:
        return False
    headers = [*cycle.default_headers, *start["headers"]]
    head = b"%b%b\r\n" % (STATUS_LINE[start["status"]], b"".join([b"%b: %b\r\n" % header for header in headers]))
    # A line break in a header would begin another answer. The usual way refuses it.
    lines = len(headers) + 2
    if not head.count(b"\n") == head.count(b"\r") == lines:
        return False
    if len(body) <= _COPIED:
        cycle.transport.write(head + body)
    else:
        cycle.transport.writelines((head, body))
    cycle.response_started = cycle.response_complete = True
    cycle.expected_content_length = 0
    cycle.message_event.set()
    cycle.on_response()
    return True


def _is_simple(cycle: RequestResponseCycle) -> bool:
    """Whether nothing is left to be done for the request but to answer it, on a connection that stays and takes it."""
    return (
        cycle.keep_alive
        and not cycle.response_started
        and not cycle.disconnected
        and not cycle.waiting_for_100_continue
        and not cycle.access_log
        and not cycle.flow.write_paused
        and cycle.scope["method"] != "HEAD"
    )
