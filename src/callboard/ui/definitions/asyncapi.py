"""AsyncAPI: definitions in its versions 2 and 3."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.definitions import info, schemas
from callboard.ui.definitions.documents import Document, Unreadable
from callboard.ui.definitions.parts import (
    LONGEST_DESCRIPTION,
    LONGEST_REMARK,
    MOST_LISTED,
    Anchors,
    Content,
    Definition,
    Details,
    Group,
    Operation,
    Page,
    Parameter,
    Section,
)
from callboard.ui.presenting import first_line
from callboard.ui.shapes import mapping, mappings, sequence, text

_NAMED: Final = "#/components/schemas/"
_MOST_MESSAGES: Final = 60
_MOST_PARAMETERS: Final = 100

_SENT: Final = ("Sends", "What it sends to whoever listens.")
_RECEIVED: Final = ("Receives", "What it takes from others.")
_OTHERS: Final = ("Channels", "Without an operation: it isn’t said who sends.")


def definition(document: Document, page: Page) -> Definition:
    """What *document* says, as far as there is room on *page*. Raises Unreadable."""
    said = document.value
    version = text(said.get("asyncapi"))
    if not version:
        raise Unreadable("It doesn’t say that it is AsyncAPI: there is no “asyncapi” in it.")
    components = mapping(said.get("components"))
    named = mapping(components.get("schemas"))
    anchors = schemas.anchors(named, _NAMED, page)
    about = mapping(said.get("info"))
    telling = _Telling(document, page, anchors)
    return Definition(
        format=f"AsyncAPI {version}",
        title=text(about.get("title")),
        version=text(about.get("version")),
        description=text(about.get("description"))[:LONGEST_DESCRIPTION],
        contacts=list(info.contacts(about, said)),
        servers=list(_servers(document)),
        schemes=list(info.schemes(components.get("securitySchemes"))),
        groups=telling.groups(),
        schemas=schemas.listed(named, _NAMED, page, anchors),
    )


def _servers(document: Document) -> Iterator[tuple[str, str]]:
    for name, value in list(mapping(document.value.get("servers")).items())[:50]:
        server = document.followed(value)
        address = text(server.get("url")) or text(server.get("host")) + text(server.get("pathname"))
        words = (name, text(server.get("protocol")), text(server.get("description")))
        yield address, ", ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells what one document says, for one page."""

    document: Document
    page: Page
    anchors: Anchors

    def groups(self) -> list[Group]:
        """Operations by who sends."""
        grouped: dict[tuple[str, str], list[Operation]] = {_SENT: [], _RECEIVED: [], _OTHERS: []}
        old = "operations" not in self.document.value
        for group, operation in islice(self._old() if old else self._new(), MOST_LISTED):
            grouped[group].append(operation)
        return [Group(*words, operations) for words, operations in grouped.items() if operations]

    def _old(self) -> Iterator[tuple[tuple[str, str], Operation]]:
        for name, value in mapping(self.document.value.get("channels")).items():
            channel = self.document.followed(value)
            for word, group in (("subscribe", _SENT), ("publish", _RECEIVED)):
                if word in channel:
                    operation = self.document.followed(channel[word])
                    message = self.document.followed(operation.get("message"))
                    several = sequence(message.get("oneOf")) or sequence(operation.get("message"))
                    yield group, self._operation(word, name, channel, operation, [("", each) for each in several])
            if "subscribe" not in channel and "publish" not in channel:
                yield _OTHERS, self._channel(text(channel.get("address")) or name, channel)

    def _new(self) -> Iterator[tuple[tuple[str, str], Operation]]:
        used = []
        for value in mapping(self.document.value.get("operations")).values():
            operation = self.document.followed(value)
            channel = self.document.followed(operation.get("channel"))
            used.append(id(channel))
            word = text(operation.get("action")) or "send"
            name = text(channel.get("address")) or _last(operation.get("channel")) or "?"
            yield (
                _RECEIVED if word == "receive" else _SENT,
                self._operation(word, name, channel, operation, self._messages(operation, channel)),
            )
        for name, value in mapping(self.document.value.get("channels")).items():
            channel = self.document.followed(value)
            if id(channel) not in used:
                yield _OTHERS, self._channel(text(channel.get("address")) or name, channel)

    def _messages(self, operation: JsonObject, channel: JsonObject) -> list[tuple[str, JsonValue]]:
        own = [(_last(each), each) for each in sequence(operation.get("messages"))]
        return own or list(mapping(channel.get("messages")).items())

    def _channel(self, name: str, channel: JsonObject) -> Operation:
        return self._operation("channel", name, channel, {}, self._messages({}, channel))

    def _operation(
        self, word: str, name: str, channel: JsonObject, operation: JsonObject, messages: list[tuple[str, JsonValue]]
    ) -> Operation:
        anchor = self.page.anchor(word, name)
        titled = (*(text(operation.get(key)) for key in ("summary", "title")), text(channel.get("title")))
        return Operation(
            anchor=anchor,
            badge=word.upper(),
            name=name,
            summary=first_line(next((words for words in titled if words), "")),
            deprecated=False,
            details=self._details(channel, operation, messages) if self.page.has_room(anchor) else None,
        )

    def _details(self, channel: JsonObject, operation: JsonObject, messages: list[tuple[str, JsonValue]]) -> Details:
        words = [text(each.get("description")) for each in (channel, operation)]
        description = "\n\n".join(each for each in words if each)[:LONGEST_DESCRIPTION]
        self.page.take(1 + len(description) // 80)
        parameters = list(mapping(channel.get("parameters")).items())[:_MOST_PARAMETERS]
        reply = self.document.followed(operation.get("reply"))
        replies = self._messages(reply, self.document.followed(reply.get("channel"))) if reply else []
        return Details(
            description=description,
            operation_id=text(operation.get("operationId")),
            parameters=[self._parameter(name, each) for name, each in parameters],
            sections=[
                *(self._message("Message", *each) for each in messages[:_MOST_MESSAGES]),
                *(self._message("Reply", *each) for each in replies[:_MOST_MESSAGES]),
            ],
            security=[],
        )

    def _parameter(self, name: str, value: JsonValue) -> Parameter:
        said = self.document.followed(value)
        # In version 3 a parameter is always text, and has no schema of its own.
        schema = {"type": "string", **mapping(said.get("schema", said)), "description": text(said.get("description"))}
        return Parameter(name, "address", schemas.tree(schema, self.page, self.anchors, name, required=True))

    def _message(self, word: str, name: str, value: JsonValue) -> Section:
        own = self.document.followed(value)
        said: JsonObject = {}
        for trait in sequence(own.get("traits")):
            said |= self.document.followed(trait)
        said |= own
        title = text(said.get("title")) or text(said.get("name")) or name or _last(value)
        words = "\n\n".join(text(said[key]) for key in ("summary", "description") if key in said)[:LONGEST_REMARK]
        self.page.take(1 + len(words) // 100)
        headers = schemas.tree(said["headers"], self.page, self.anchors) if "headers" in said else None
        media = text(said.get("contentType")) or text(self.document.value.get("defaultContentType"))
        contents = [self._payload(media, said)] if "payload" in said else []
        if headers is not None and not headers.children:
            contents.append(Content("headers", headers))
        return Section(
            f"{word} {title}".strip(), "plain", words, contents, headers.children if headers is not None else ()
        )

    def _payload(self, media: str, said: JsonObject) -> Content:
        payload = said["payload"]
        inner = mapping(payload)
        format_ = text(inner.get("schemaFormat")) or text(said.get("schemaFormat"))
        schema = inner["schema"] if "schemaFormat" in inner and "schema" in inner else payload
        if _is_foreign(format_):
            shown = schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False, indent=2)
            return Content(format_, None, shown[:_MOST_FOREIGN])
        first = next(iter(mappings(said.get("examples"))), {})
        node = schemas.tree(schema, self.page, self.anchors)
        return Content(media, node, schemas.example(first.get("payload"), self.page))


_MOST_FOREIGN: Final = 10_000


def _is_foreign(format_: str) -> bool:
    """Whether a schema is written in something that is no JSON Schema, as Avro is not."""
    return bool(format_) and not any(word in format_ for word in ("aai.asyncapi", "schema+", "vnd.oai.openapi"))


def _last(value: JsonValue) -> str:
    """The last word of a reference."""
    return text(mapping(value).get("$ref")).rpartition("/")[2]
