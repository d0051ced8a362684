"""Distinguished names, brought into a form in which equal ones are equal texts (RFC 4514)."""

import re
from collections.abc import Iterator

_HEX = re.compile(r"[0-9A-Fa-f]{2}")
_SPECIAL = re.compile(r"[\\\"+;]")
_SEPARATES = re.compile(r"[,+=\\]")


def canonical(dn: str) -> str | None:
    """*dn* without what makes no difference: case, spaces, kinds of escapes, the order within an RDN.

    None for what is no distinguished name. Servers and people write the same name in different ways.

    >>> canonical(r"CN=Smith\\, Jo , OU=People") == canonical(r"cn=smith\\2c jo,ou=people")
    True
    """
    if _SPECIAL.search(dn) is None:
        # Almost all of them; there may be a hundred thousand in one round.
        plain = [_written(part) for part in dn.split(",")]
        return None if None in plain else ",".join(part for part in plain if part)
    found: list[str] = []
    for rdn in _split(dn, ",;"):
        parts = sorted(_part(part) or "" for part in _split(rdn, "+"))
        if not parts[0]:
            return None
        found.append("+".join(parts))
    return ",".join(found)


def _part(text: str) -> str | None:
    """One `attribute=value`, with all kinds of escapes."""
    name, equals, value = text.partition("=")
    return _written(f"{name}{equals}{_unescaped(value)}")


def _written(text: str) -> str | None:
    """One `attribute=value` without escapes. What separates is escaped, all in one way."""
    name, equals, value = text.partition("=")
    name = name.strip().lower().removeprefix("oid.")
    if not equals or not name:
        return None
    return f"{name}=" + _SEPARATES.sub(r"\\\g<0>", " ".join(value.split()).casefold())


def _split(text: str, separators: str) -> Iterator[str]:
    """The parts between *separators* that are neither escaped nor in quotes."""
    part, escaped, quoted = "", False, False
    for character in text:
        if character in separators and not escaped and not quoted:
            yield part
            part = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        part += character
    yield part


def _unescaped(value: str) -> str:
    """The value that is meant, without escapes and quotes."""
    value, found, at = value.strip(), bytearray(), 0
    if len(value) > 1 and value[0] == '"' == value[-1]:
        value = value[1:-1]
    while at < len(value):
        if value[at] != "\\" or at + 1 == len(value):
            found += value[at].encode("utf-8", "surrogatepass")
            at += 1
        elif (code := _HEX.match(value, at + 1)) is not None:
            found.append(int(code[0], 16))
            at += 3
        else:
            found += value[at + 1].encode("utf-8", "surrogatepass")
            at += 2
    return found.decode("utf-8", "surrogateescape")
