"""OpenAPI: definitions in its versions 2 (Swagger) and 3."""

from collections.abc import Iterator, Mapping
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
    Node,
    Operation,
    Page,
    Parameter,
    Section,
)
from callboard.ui.presenting import first_line
from callboard.ui.shapes import mapping, mappings, sequence, text

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_ANY: Final = "*/*"
_MOST_PARAMETERS: Final = 200
_MOST_RESPONSES: Final = 60
_MOST_CONTENTS: Final = 20
_MOST_HEADERS: Final = 50


def definition(document: Document, page: Page) -> Definition:
    """What *document* says, as far as there is room on *page*. Raises Unreadable."""
    said = document.value
    version = text(said.get("openapi")) or text(said.get("swagger"))
    if not version:
        raise Unreadable("It doesn’t say that it is OpenAPI: neither “openapi” nor “swagger” is in it.")
    named, prefix = _schemas(said)
    anchors = schemas.anchors(named, prefix, page)
    telling = _Telling(document, page, anchors)
    about = mapping(said.get("info"))
    return Definition(
        format=f"{'OpenAPI' if 'openapi' in said else 'Swagger'} {version}",
        title=text(about.get("title")),
        version=text(about.get("version")),
        description=(text(about.get("description")) or text(about.get("summary")))[:LONGEST_DESCRIPTION],
        contacts=list(info.contacts(about, said)),
        servers=list(_servers(said)),
        schemes=list(
            info.schemes(mapping(_components(said).get("securitySchemes")) or said.get("securityDefinitions"))
        ),
        groups=telling.groups(),
        schemas=schemas.listed(named, prefix, page, anchors),
    )


def _components(said: JsonObject) -> JsonObject:
    return mapping(said.get("components"))


def _schemas(said: JsonObject) -> tuple[JsonObject, str]:
    if "swagger" in said:
        return mapping(said.get("definitions")), "#/definitions/"
    return mapping(_components(said).get("schemas")), "#/components/schemas/"


def _servers(said: JsonObject) -> Iterator[tuple[str, str]]:
    for server in mappings(said.get("servers"))[:50]:
        yield text(server.get("url")), text(server.get("description"))
    if host := text(said.get("host")):
        for scheme in sequence(said.get("schemes")) or ["https"]:
            yield f"{text(scheme)}://{host}{text(said.get('basePath'))}", ""


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells what one document says, for one page."""

    document: Document
    page: Page
    anchors: Anchors

    def groups(self) -> list[Group]:
        """Operations by their first tag, in the order in which the document has the tags."""
        said = self.document.value
        tags = {text(tag.get("name")): text(tag.get("description")) for tag in mappings(said.get("tags"))}
        grouped: dict[str, list[Operation]] = {name: [] for name in tags}
        for count, (path, method, item, operation) in enumerate(self._operations("paths")):
            if count == MOST_LISTED:
                break
            tag = next((text(each) for each in sequence(operation.get("tags"))), "")
            grouped.setdefault(tag, []).append(self._operation(path, method, item, operation))
        for name, method, item, operation in self._operations("webhooks"):
            grouped.setdefault("Webhooks", []).append(self._operation(name, method, item, operation))
        return [Group(name, tags.get(name, ""), operations) for name, operations in grouped.items() if operations]

    def _operations(self, where: str) -> Iterator[tuple[str, str, JsonObject, JsonObject]]:
        for path, value in mapping(self.document.value.get(where)).items():
            item = self.document.followed(value)
            for method in _METHODS:
                operation = item.get(method)
                if isinstance(operation, dict):
                    yield path, method, item, operation

    def _operation(self, path: str, method: str, item: JsonObject, operation: JsonObject) -> Operation:
        anchor = self.page.anchor(method, path)
        return Operation(
            anchor=anchor,
            badge=method.upper(),
            name=path,
            summary=first_line(text(operation.get("summary")) or text(item.get("summary"))),
            deprecated=operation.get("deprecated") is True,
            details=self._details(item, operation) if self.page.has_room(anchor) else None,
        )

    def _details(self, item: JsonObject, operation: JsonObject) -> Details:
        description = text(operation.get("description"))[:LONGEST_DESCRIPTION]
        self.page.take(1 + len(description) // 80)
        given = [self.document.followed(each) for each in self._parameters(item, operation)]
        bodies = [each for each in given if each.get("in") == "body"]
        return Details(
            description=description,
            operation_id=text(operation.get("operationId")),
            parameters=[self._parameter(each) for each in given if each.get("in") != "body"],
            sections=[*self._request(operation, bodies), *self._responses(operation)],
            security=list(_security(operation.get("security", self.document.value.get("security")))),
        )

    def _parameters(self, item: JsonObject, operation: JsonObject) -> list[JsonValue]:
        """Those of the path and those of the operation, which replace what has the same name and place."""
        found: dict[tuple[str, str], JsonValue] = {}
        for each in (*sequence(item.get("parameters")), *sequence(operation.get("parameters"))):
            said = self.document.followed(each)
            found[text(said.get("in")), text(said.get("name"))] = each
        return list(found.values())[:_MOST_PARAMETERS]

    def _parameter(self, said: JsonObject) -> Parameter:
        contents = mapping(said.get("content"))
        schema = said.get("schema", mapping(next(iter(contents.values()), None)).get("schema", said))
        # A reference is no place for more, and in version 2 a parameter is its own schema.
        own = {"description": text(said.get("description"))} if said.get("description") else {}
        shown: JsonValue = {**schema, **own} if isinstance(schema, dict) else schema
        name, place = text(said.get("name")), text(said.get("in"))
        node = schemas.tree(shown, self.page, self.anchors, name, required=said.get("required") is True)
        return Parameter(name, "form" if place == "formData" else place, node)

    def _request(self, operation: JsonObject, bodies: list[JsonObject]) -> Iterator[Section]:
        for body in bodies:
            media = text(next(iter(sequence(operation.get("consumes", self.document.value.get("consumes")))), None))
            content = Content(media, schemas.tree(body.get("schema"), self.page, self.anchors))
            yield Section(_body_title(body), "plain", text(body.get("description"))[:LONGEST_REMARK], [content])
        if "requestBody" in operation:
            body = self.document.followed(operation["requestBody"])
            contents = self._contents(mapping(body.get("content")))
            yield Section(_body_title(body), "plain", text(body.get("description"))[:LONGEST_REMARK], contents)

    def _responses(self, operation: JsonObject) -> Iterator[Section]:
        produced = text(next(iter(sequence(operation.get("produces", self.document.value.get("produces")))), None))
        for status, value in islice(mapping(operation.get("responses")).items(), _MOST_RESPONSES):
            response = self.document.followed(value)
            contents = self._contents(mapping(response.get("content")))
            if "schema" in response:
                contents.append(Content(produced, schemas.tree(response["schema"], self.page, self.anchors)))
            headers = islice(mapping(response.get("headers")).items(), _MOST_HEADERS)
            words = text(response.get("description"))[:LONGEST_REMARK]
            yield Section(
                status,
                _TONES.get(status[:1], "plain"),
                words,
                contents,
                [self._header(name, each) for name, each in headers],
            )

    def _header(self, name: str, value: JsonValue) -> Node:
        return self._parameter({**self.document.followed(value), "name": name}).node

    def _contents(self, contents: Mapping[str, JsonValue]) -> list[Content]:
        found = []
        for media, value in islice(contents.items(), _MOST_CONTENTS):
            said = mapping(value)
            several = mapping(said.get("examples")).values()
            first = said.get("example", mapping(next(iter(several), None)).get("value"))
            node = schemas.tree(said["schema"], self.page, self.anchors) if "schema" in said else None
            found.append(Content("" if media == _ANY else media, node, schemas.example(first, self.page)))
        return found


_TONES: Final = {"1": "plain", "2": "good", "3": "plain", "4": "warn", "5": "bad"}


def _body_title(body: JsonObject) -> str:
    return "Request body" if body.get("required") is True else "Request body, if any"


def _security(value: JsonValue) -> Iterator[str]:
    for way in mappings(value):
        if not way:
            yield "nothing"
        else:
            scopes = {name: ", ".join(text(each) for each in sequence(wanted)) for name, wanted in way.items()}
            yield " and ".join(f"{name} ({said})" if said else name for name, said in scopes.items())
