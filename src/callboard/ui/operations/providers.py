"""Providers: the sources of entities, what they did last, and what was refused."""

from starlette.responses import Response

from callboard.access.permissions import ENTITY_CREATE, INGESTION_MANAGE
from callboard.model.annotations import MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.asking import Refused, path_of
from callboard.ui.operations.frame import TABS
from callboard.ui.operations.overview import is_troubled
from callboard.ui.shapes import mapping, mappings
from callboard.ui.visits import Visit

_FAILURES = 50
_ON_A_PAGE = 50


async def providers(visit: Visit) -> Response:
    """All of them; those in trouble first."""
    found = mappings((await visit.catalog.get_object("/providers"))["items"])
    found.sort(key=lambda each: (not is_troubled(each), str(each["name"])))
    return visit.page("operations/providers.html", tabs=TABS, providers=found)


async def provider(visit: Visit) -> Response:
    """One of them: what it has, how far that has come, what failed."""
    name = visit.request.path_params["name"]
    found = await visit.catalog.get_object("/providers" + path_of(name))
    status = await visit.catalog.find("/providers" + path_of(name, "status"))
    failures = mappings(mapping(status).get("failures"))
    try:
        own = await _own(visit, name)
    except Refused as refused:
        if refused.status == 400 and visit.text("cursor"):
            return visit.go("/operations/providers" + path_of(name))
        raise
    return visit.page(
        "operations/provider.html",
        tabs=TABS,
        provider=found,
        status=mapping(status),
        failures=failures[:_FAILURES],
        more=len(failures) - _FAILURES,
        may_manage=await visit.may(INGESTION_MANAGE),
        may_forget=await visit.may(ENTITY_CREATE),
        own=own,
    )


async def _own(visit: Visit, name: str) -> JsonObject:
    """A page of the entities whose origin is the provider itself, and not a location that it has named."""
    cursor = visit.text("cursor")
    own: JsonObject = {f"metadata.annotations.{MANAGED_BY_ORIGIN_LOCATION}": f"provider:{name}"}
    asked: JsonObject = {"cursor": cursor} if cursor else {"query": own}
    fields: list[JsonValue] = ["kind", "metadata.name", "metadata.namespace", "metadata.title", "spec.profile"]
    return await visit.catalog.post_object("/entities/by-query", {**asked, "limit": _ON_A_PAGE, "fields": fields})


async def let_through(visit: Visit) -> Response:
    """Let the next mutation of a provider pass that its guard would refuse."""
    name = visit.request.path_params["name"]
    await visit.catalog.post("/providers" + path_of(name, "let-through"), {})
    return visit.go("/operations/providers" + path_of(name), "The next removal passes, whatever the guard says.")


async def trigger(visit: Visit) -> Response:
    """Let a provider that reads its source in rounds go on now."""
    name = visit.request.path_params["name"]
    await visit.catalog.post("/providers" + path_of(name, "trigger"), {})
    return visit.go("/operations/providers" + path_of(name), "It reads its source now.")


async def forget(visit: Visit) -> Response:
    """Ask whether a provider is to go with all it has; and once its name was typed, let it go."""
    name = visit.request.path_params["name"]
    path = "/providers" + path_of(name)
    found: JsonObject = await visit.catalog.get_object(path)
    problem = ""
    if visit.request.method == "POST":
        if visit.form.get("name", "").strip() == name:
            try:
                await visit.catalog.ask("DELETE", path, None)
            except Refused as refused:
                problem = refused.message
            else:
                return visit.go("/operations/providers", f"The provider {name} is gone, with all it had.")
        else:
            problem = "That is not its name."
    return visit.page("operations/forget.html", 400 if problem else 200, tabs=TABS, provider=found, problem=problem)
