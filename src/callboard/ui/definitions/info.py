"""Info: who answers for an API, and how to prove who one is."""

from collections.abc import Iterator

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.addresses import outside
from callboard.ui.shapes import mapping, text


def contacts(info: JsonObject, said: JsonObject) -> Iterator[tuple[str, str]]:
    """Whom to ask, what to read, and the license: words, and an address if there is one to follow."""
    contact, license_ = mapping(info.get("contact")), mapping(info.get("license"))
    email, url = text(contact.get("email")), text(contact.get("url"))
    if name := text(contact.get("name")) or email or url:
        yield name, outside(f"mailto:{email}") if email else outside(url)
    if name := text(license_.get("name")):
        yield name, outside(license_.get("url"))
    if terms := outside(info.get("termsOfService")):
        yield "Terms of service", terms
    docs = mapping(said.get("externalDocs") or info.get("externalDocs"))
    if address := outside(docs.get("url")):
        yield text(docs.get("description")) or "More about it", address


def schemes(value: JsonValue) -> Iterator[tuple[str, str]]:
    """How to prove who one is: names, and what they are."""
    for name, scheme in list(mapping(value).items())[:50]:
        said = mapping(scheme)
        where = f"{text(said.get('name'))} in {text(said.get('in'))}" if "in" in said and "name" in said else ""
        words = (text(said.get("type")), text(said.get("scheme")), where, text(said.get("description")))
        yield name, ", ".join(word for word in words if word)
