"""What is not lost: a draft that is written while Meta is asked, and all that Meta lists not."""

from dataclasses import replace
from typing import Any

from tests.edge.test_api_templates import EDIT, LIST, ONE
from tests.front_desk import a_desk


async def test_a_draft_written_while_another_is_submitted_stays() -> None:
    async with a_desk() as desk:
        desk.master.templates = [replace(each, meta_id="1") for each in desk.master.templates]
        await desk.call("POST", LIST + "/import", {})
        fresh = f"{LIST}/fresh/en_US"
        named = EDIT["components"][0] | {"text": "Here, {{1}} and {{2}}, too."}
        for path, words in ((ONE, EDIT["components"][0]), (fresh, named)):
            await desk.call("PUT", path, EDIT | {"components": [words]})
            later = EDIT | {"components": [words | {"text": f"{words['text']} Now!"}]}

            async def meanwhile(path: str = path, later: dict[str, Any] = later) -> None:
                assert (await desk.call("PUT", path, later))[0] == 200

            desk.master.meanwhile = meanwhile
            status, shown = await desk.call("POST", path + "/submit")
            assert (status, shown["status"], shown["components"]) == (202, "PENDING", [words])
            assert shown["draft"]["components"] == later["components"]


async def test_an_import_of_an_empty_list_deletes_nothing() -> None:
    async with a_desk() as desk:
        desk.master.templates = []
        status, shown = await desk.call("POST", LIST + "/import", {"mode": "replace"})
        assert (status, shown["deleted"], shown["campaigns"]) == (200, 0, [])
        assert "Meta lists no template" in shown["warnings"][0]
        assert (await desk.call("GET", ONE))[1]["status"] == "APPROVED"
