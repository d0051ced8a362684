"""Requests that no client should send, made at random from a seed: what is wrong with each is one thing, or two."""

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON_HEADERS: Headers = [(b"content-type", b"application/json")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request, byte by byte."""

    method: str
    path: bytes
    query: bytes = b""
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What a good request to an endpoint is made of."""

    method: str
    path: str
    """With a place for each parameter."""
    values: dict[str, str] = field(default_factory=dict)
    """Good parameters of the path."""
    known: Sequence[str] = ()
    """The names of its query parameters."""
    body: Any = None
    cursor: dict[str, Any] | None = None
    """What a good cursor of it says."""

    def good(self) -> Sent:
        """A request that nothing is wrong with."""
        path = self.path.format(**self.values).encode()
        if self.body is None:
            return Sent(method=self.method, path=path)
        return Sent(method=self.method, path=path, headers=JSON_HEADERS, body=json.dumps(self.body).encode())


def _deep(levels: int) -> list[bytes]:
    return [b"[" * levels + b"]" * levels, b'{"a":' * levels + b"1" + b"}" * levels]


# What Python, orjson, PostgreSQL and our own predicates bear differs, so that there is something on both sides of each.
DEEP = [value for levels in (60, 120, 250, 260, 500, 900, 2_000) for value in _deep(levels)]
DEEP_PREDICATE = b'{"$not":' * 65 + b"{}" + b"}" * 65
DEEPER_PREDICATE = b'{"$not":' * 1_500 + b"{}" + b"}" * 1_500

RAW = [
    b"null", b"true", b"false", b"0", b"-1", b"-0.0", b"1.5", b"1e400", b"-1e400", b"1e308", b"5e-324", b"NaN",
    b"Infinity", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615",
    b"18446744073709551616", b"1" + b"0" * 30, b"1" * 5_000, b'""', b'" "', b'"\\u0000"', b'"a\\u0000b"',
    b'"component:default/\\u0000"', b'"url:https://host/\\u0000"', b'"\\ud800"', b'"\\ud800\\ud800"', b'"\\udc00x"',
    b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\ud83d\\ude00"', b'"\\uffff"', b'"' + b"x" * 5_000 + b'"', b'"%s"', b'"{0}"',
    b'"%00"', b'"["', b'"a["', b'","', b'"."', b'".."', b'"a..b"', b'"$all"', b'":"', b'"/"', b'":/"', b'"a:b/"',
    b'"url:"', b'"url:x"', b'"https://["', b'"https://[::1"', b'"https://host:99999/"', b'"https://host:x/"',
    b'"https://\xc3\xa9/"', b'"https://host/%zz"', b'"https:// host"', b'"http:///"', b'"\\\\"', b'"(((("',
    b"[]", b"[[]]", b"[null]", b"[1]", b'["a","a"]', b'[""]', b'["\\u0000"]', b"{}", b'{"":""}', b'{"\\u0000":1}',
    b'{"a":{"b":null}}', b'{"a":1,"a":2}', b'{"$all":null}', b'{"$all":[null]}', b'{"$any":{}}', b'{"$not":[]}',
    b'{"$not":{"$not":{}}}', b'{"kind":{"$in":[{}]}}', b'{"kind":{"$exists":1}}', b'{"kind":{"$contains":{}}}',
    b'{"kind":{"$hasPrefix":1}}', b'{"kind":1e308}', b'{"kind":1e400}', b'{"kind":12345678901234567890123}',
    b'{"relations":{"$contains":{"type":1}}}', b'{"relations":{"$contains":{"type":"a","targetRef":[]}}}',
    b'{"$nope":1}', b'{"id":{"$in":["\\u0000"]}}', b'{"target":"\\u0000"}', *DEEP, DEEP_PREDICATE, DEEPER_PREDICATE,
    *(b'{"type":{"$exists":true,"a":%b}}' % value for value in DEEP),
    b"{", b"]", b"'a'", b"undefined", b"01", b"+1", b".5", b"1.", b"\x00", b"/* */ 1", b"1 2", b"tru", b'"\n"',
    b'"\\x"',
]  # fmt: skip
"""JSON texts of every kind, broken ones as well, to stand where something else is expected."""

QUERY_VALUES = [
    b"", b"%", b"%z", b"%zz", b"%0", b"%00", b"a%00b", b"%ff%fe", b"\xff\xfe", b"%ED%A0%80", b"%C0%AF", b"%u1234",
    b"0", b"-1", b"1.5", b"1e400", b"1e3", b"NaN", b"inf", b"0x10", b"1_000", b"%D9%A3", b"+1", b"-0", b"1,2",
    b"1" * 400, b"999999999999999999", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"true",
    b"null", b"None", b"undefined", b"[]", b"{}", b"%5B%5D", b"%7B%7D", b"a[0]", b"[", b"=", b"=a", b"==", b"a=b=c",
    b",",
    b",,,", b"a,,b", b".", b"..", b"a..b", b"$all", b"%24all=1", b";", b"a;b", b"+", b"%20", b"%0a", b"%0d%0a",
    b"x" * 70_000,
    b"%F0%9F%A7%85", b"asc:", b"asc:%00", b"desc:metadata.tags", b":a", b"up:a", b"kind,up", b",asc", b"kind,asc,desc",
    b"kind=%00", b"kind=" + b"x" * 300, b"relations", b"relations.=", b"INCLUDE", b"include%00", b"include", b"log",
    b"compacted", b"entity", b"patch", b"refresh", b"yes", b"%EF%BF%BD", b"'; drop table entities; --", b"%25", b"\\",
    DEEPER_PREDICATE, DEEP_PREDICATE, b'{"kind":1e400}', b'{"kind":"%5Cud800"}', b'{"$not":1}', b"[1]", b'{"a":"%00"}',
]  # fmt: skip

WAITS = [b"0.01", b"", b"-1", b"1e3", b"nan", b"inf", b"1" * 400, b"%00", b"\xff", b"1,2", b"0x10"]

SEGMENTS = [
    b"%", b"%z", b"%zz", b"%00", b"a%00b", b"%ff", b"\xff", b"%ED%A0%80", b"%C0%AF", b"%2F", b"%2f%2f", b"..", b".",
    b"%2e%2e", b"%20", b" ", b"+", b"%25", b"%2500", b"x" * 5_000, b"%F0%9F%A7%85", b"%C4%B0", b"a:b", b":", b"'", b'"',
    b"{id}", b"*", b"$", b"\\", b"~", b";a=b", b"0", b"-1", b"null", b"00000000-0000-0000-0000-000000000000",
    b"{00000000-0000-0000-0000-000000000000}", b"urn:uuid:00000000-0000-0000-0000-000000000000",
    b"0000000000000000000000000000000%D9%A0", b"by-query", b"", b"%0d%0a", b"\x00", b"\x7f",
]  # fmt: skip

CONTENT_TYPES = [
    b"", b"text/plain", b"application/xml", b"application/json5", b"application/json;charset=utf-16", b"json", b"\xff",
    b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded", b";", b"application/json, text/plain",
    b"*/*",
]  # fmt: skip

HEADERS: Headers = [
    (b"x-huge", b"x" * 100_000), (b"authorization", b"Bearer"), (b"authorization", b"\xff\xfe"),
    (b"cookie", b"\x00=;;"),
    (b"authorization", b"Bearer " + b"." * 1_000), (b"if-none-match", b"\xff"), (b"if-none-match", b',,"W/'),
    (b"if-none-match", b"W/" * 10_000), (b"accept", b"\xff"), (b"accept", b"application/x-ndjson"),
    (b"accept-encoding", b"gzip;q=banana"), (b"accept-encoding", b"gzip"), (b"content-length", b"-1"),
    (b"content-length", b"99999999999999999999"), (b"content-encoding", b"gzip"), (b"host", b"\x00"), (b"host", b""),
    (b"transfer-encoding", b"chunked"), (b"expect", b"100-continue"), (b"range", b"bytes=5-1"), (b"origin", b"null"),
    (b"x-forwarded-for", b"'"), (b"x-http-method-override", b"DELETE"), (b"", b""), (b"upgrade", b"websocket"),
]  # fmt: skip

METHODS = ["PUT", "PATCH", "delete", "OPTIONS", "TRACE", "CONNECT", "HEAD", "get", "", "\x00", "PROPFIND", "A" * 1_000]

Malform: TypeAlias = Callable[[random.Random, Endpoint, Sent], Sent]


def requests(endpoints: Sequence[Endpoint], count: int, seed: int) -> Iterator[Sent]:
    """*count* malformed requests, spread evenly over *endpoints*."""
    chance = random.Random(seed)
    for number in range(count):
        endpoint = endpoints[number % len(endpoints)]
        sent = endpoint.good()
        for _ in range(chance.choice((1, 1, 2))):
            ways = _ways(endpoint)
            sent = chance.choices(list(ways), list(ways.values()))[0](chance, endpoint, sent)
        yield sent


def _ways(endpoint: Endpoint) -> dict[Malform, int]:
    return {
        _query: 6 if endpoint.known else 2,
        _path: 6 if endpoint.values else 1,
        _place_in_body: 10 if endpoint.body is not None else 0,
        _body: 2,
        _cursor: 8 if endpoint.cursor is not None else 0,
        _headers: 1,
        _method: 1,
    }


def _path(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    if not endpoint.values:
        return replace(sent, path=sent.path + b"/" + chance.choice(SEGMENTS))
    values = {name: value.encode() for name, value in endpoint.values.items()}
    values[chance.choice(list(values))] = chance.choice(SEGMENTS)
    path = endpoint.path.encode()
    for name, value in values.items():
        path = path.replace(b"{%b}" % name.encode(), value)
    return replace(sent, path=path)


def _query(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    names = [name.encode() for name in endpoint.known] or [b"filter"]
    parts = [sent.query] if sent.query else []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        name = (
            chance.choice(names) if chance.random() < 0.9 else chance.choice([b"nope", b"", b"%00", b"%ff", b"\xff[]"])
        )
        # A held request would take as long as it asks for.
        value = chance.choice(WAITS if name == b"wait" else QUERY_VALUES)
        form = chance.choice([b"%b=%b", b"%b=%b", b"%b=%b", b"%b[]=%b", b"%b=%b&"])
        parts.append(form % (name, value))
        if chance.random() < 0.1:
            parts.append(parts[-1])
    return replace(sent, query=b"&".join(parts))


def _place_in_body(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    """Something else at one place of the body, its root included, or a place more, or less."""
    content = json.loads(json.dumps(endpoint.body))
    return replace(sent, body=_disturbed(chance, content), headers=JSON_HEADERS)


def _disturbed(chance: random.Random, content: Any) -> bytes:
    places = list(_places(content))
    raw = chance.choice(RAW)
    if not places or chance.random() < 0.05:
        return raw
    parent, key = chance.choice(places)
    what = chance.random()
    if what < 0.1:
        del parent[key]
        return json.dumps(content).encode()
    if what < 0.2 and isinstance(parent, dict):
        key = chance.choice(["", "\0", "nope", "$all", "rule", "query", "__proto__"])
    parent[key] = "@here@"
    return json.dumps(content).encode().replace(b'"@here@"', raw)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _body(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    way = chance.randrange(4)
    if way == 0:
        return replace(sent, body=chance.choice(RAW), headers=JSON_HEADERS)
    if way == 1:
        return replace(sent, body=chance.randbytes(chance.randrange(1, 200)), headers=JSON_HEADERS)
    if way == 2 and sent.body:
        cut = chance.randrange(len(sent.body))
        return replace(sent, body=sent.body[:cut] + chance.choice([b"", b"\xff", b"\x00", b"\xef\xbb\xbf"]))
    kind = chance.choice(CONTENT_TYPES)
    return replace(sent, headers=[(b"content-type", kind)] if kind else [], body=sent.body or b"{}")


def _cursor(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    """A cursor that says something else at one place, or is no cursor at all."""
    content = json.loads(json.dumps(endpoint.cursor))
    text = base64.b64encode(_disturbed(chance, content))
    match chance.randrange(8):
        case 0:
            text = text[: chance.randrange(len(text) + 1)]
        case 1:
            text = chance.choice(
                [b"=", b"====", b"a", b"%", b"\xff", b"e30=", b"W10=", b"bnVsbA==", b"-_-_", b"e30=" * 9]
            )
        case _:
            pass
    if endpoint.body is None:
        name = b"after" if "after" in endpoint.known else b"cursor"
        quoted = text.replace(b"+", b"%2B").replace(b"=", b"%3D")
        return replace(sent, query=b"%b=%b" % (name, quoted))
    whole = {**endpoint.body, "cursor": text.decode("latin-1")}
    return replace(sent, body=json.dumps(whole).encode(), headers=JSON_HEADERS)


def _headers(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    return replace(sent, headers=[*sent.headers, chance.choice(HEADERS)])


def _method(chance: random.Random, endpoint: Endpoint, sent: Sent) -> Sent:
    return replace(sent, method=chance.choice(METHODS))
