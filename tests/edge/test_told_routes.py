"""Every route that the documents name is one, with the method they give it."""

import re
from pathlib import Path

import pytest

from adapters.api.openapi.document import operations_of
from tests.architecture.source_tree import ROOT, short
from tests.e2e.whole_house import a_whole_house, nobody

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
METHODS = "GET|POST|PUT|PATCH|DELETE"
ROUTE = re.compile(
    rf"`((?:{METHODS})(?:[|/](?:{METHODS}))*)? ?(/(?:v1|webhooks|\{{version\}})/?[^`\s?]*)[^`]*`"
)
FAMILIES = {"/v1", "/v1/why"}  # all paths below it
GRAPH = "{version}"  # only Graph's own paths have it; they would take any other path of two parts

pytestmark = pytest.mark.usefixtures("redis_client")


def named_in(path: Path) -> list[tuple[list[str], str]]:
    """Return each route a document names: its methods, none where it gives none, and its path."""
    found: list[tuple[list[str], str]] = []
    for methods, route in ROUTE.findall(path.read_text(encoding="utf-8")):
        if not route.startswith(("/v1/…", "/…")):
            found.append((re.findall(METHODS, methods), route.rstrip("/")))
    return found


def shelves() -> set[str]:
    """Return what the README's table of the API is about: the words after `/v1`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("\n## The API\n")[2].partition("\n## ")[0]
    return set(re.findall(r"/v1/([a-z]+)", table))


def is_like(named: str, route: str) -> bool:
    """Return whether a path of a document, with names or `…` in some places, is a route's.

    >>> is_like("/v1/jobs/ID", "/v1/jobs/{id}"), is_like("/v1/jobs", "/v1/jobs/{id}")
    (True, False)
    """
    parts, wanted = named.split("/"), route.split("/")
    if "…" in parts:  # any number of places
        at = parts.index("…")
        head, tail = parts[:at], parts[at + 1 :]
        return wanted[: len(head)] == head and wanted[len(wanted) - len(tail) :] == tail
    return len(parts) == len(wanted) and all(
        mine == theirs or (theirs.startswith("{") and theirs != GRAPH)
        for mine, theirs in zip(parts, wanted, strict=True)
    )


async def test_every_route_of_the_documents_is_one(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path, furnish=nobody) as whole:
        routes = list(operations_of(whole.house.runners[0].app.router))
    wrong: list[tuple[str, str]] = []
    count = 0
    for path in DOCUMENTS:
        for methods, named in named_in(path):
            count += 1
            for method in methods or [""]:
                fitting = [
                    route
                    for verb, route in routes
                    if (not method or verb == method) and is_like(named, route)
                ]
                if not fitting and named not in FAMILIES:
                    wrong.append((short(path), f"{method} {named}"))
    assert wrong == []
    assert count > 90
    assert {route.split("/")[2] for _, route in routes if route.startswith("/v1/")} == shelves()


def test_a_planted_route_is_found() -> None:
    assert not is_like("/v1/bogus", "/{version}/{node}")
    assert not is_like("/v1/jobs/{id}/marry", "/v1/jobs/{id}")
    assert is_like("/v1/wabas/…/templates", "/v1/wabas/{waba}/templates")
