"""`penstock template` against a real API."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app
from tests.edge.test_api_templates import EDIT
from tests.front_desk import ADMIN, WABA, Desk, a_campaign, a_desk

Call = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[[Desk], Call]:
    """Return the command line as it talks to a desk."""

    def at(desk: Desk) -> Call:
        monkeypatch.setenv("PENSTOCK_URL", str(desk.client.make_url("")))
        monkeypatch.setenv("PENSTOCK_API_KEY", ADMIN)

        async def ask(*arguments: str) -> tuple[int, str]:
            words = ["template", *arguments]
            result = await asyncio.to_thread(CliRunner().invoke, app, words)
            return result.exit_code, result.output

        return ask

    return at


def a_file(directory: Path, content: Any) -> str:  # noqa: ANN401 (JSON)
    path = directory / "template.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


async def test_a_template_is_edited_from_a_file_and_its_campaigns_are_told(
    call: Callable[[Desk], Call], tmp_path: Path
) -> None:
    async with a_desk() as desk:
        cli = call(desk)
        await a_campaign(desk)
        await desk.call("POST", "/v1/campaigns/c1/start")
        file = a_file(tmp_path, EDIT | {"status": "APPROVED", "id": "1"})
        code, printed = await cli("edit", WABA, "offer", "en_US", "--file", file, "--no-submit")
        assert (code, "left out: id, status" in printed) == (0, True)
        code, printed = await cli("preview", WABA, "offer", "en_US", "--draft")
        assert "Hello Ada, take A-17 with you." in printed
        code, printed = await cli("submit", WABA, "offer", "en_US", "--json")
        assert (code, json.loads(printed)["status"]) == (0, "PENDING")
        code, printed = await cli("refresh", WABA, "offer", "en_US")
        assert "status: APPROVED" in printed


async def test_everything_wrong_with_a_file_is_printed(
    call: Callable[[Desk], Call], tmp_path: Path
) -> None:
    async with a_desk() as desk:
        cli = call(desk)
        bad = {"category": "MARKETING", "components": [{"type": "BODY", "text": "{{2}}"}]}
        file = a_file(tmp_path, bad)
        code, printed = await cli("edit", WABA, "spring", "en_US", "--file", file)
        assert code == 1
        assert "/components/0/text: must count" in printed
        assert "/components/0/example/body_text: gives no sample" in printed
        path = tmp_path / "bad.json"
        path.write_text("{", encoding="utf-8")
        assert (await cli("edit", WABA, "spring", "en_US", "--file", str(path)))[0] == 2


async def test_an_import_a_list_and_a_deletion(call: Callable[[Desk], Call]) -> None:
    async with a_desk() as desk:
        cli = call(desk)
        code, printed = await cli("import", WABA, "--mode", "replace")
        assert (code, "previous: /v1/wabas/waba-1/template-sets/" in printed) == (0, True)
        assert "UTILITY" in (await cli("list", WABA))[1]
        assert (await cli("delete", WABA, "offer", "en_US"))[0] == 1  # nobody said yes
        assert "status: DELETED" in (await cli("delete", WABA, "offer", "en_US", "--yes"))[1]


async def test_the_set_that_an_import_replaced_is_listed_and_written_to_a_file(
    call: Callable[[Desk], Call], tmp_path: Path
) -> None:
    async with a_desk() as desk:
        cli, file = call(desk), tmp_path / "before.json"
        code, printed = await cli("sets", WABA, "--output", str(file))
        assert (code, "no set yet" in printed, file.exists()) == (2, True, False)
        await cli("import", WABA)
        code, printed = await cli("sets", WABA, "--json")
        (kept,) = json.loads(printed)["sets"]
        assert (code, (await cli("sets", WABA, "--output", str(file)))[0]) == (0, 0)
        before = json.loads(file.read_text(encoding="utf-8"))["templates"]
        assert {each["name"] for each in before} >= {"offer", "update"}
        file.unlink()
        one = kept["path"].rpartition("/")[2]
        assert (await cli("sets", WABA, "--set", one, "--output", str(file)))[0] == 0
        assert json.loads(file.read_text(encoding="utf-8"))["templates"] == before
        assert (await cli("sets", WABA, "--set", one))[0] == 2
        assert (await cli("sets", WABA, "--set", "1", "--output", str(file)))[0] == 2


async def test_a_test_send_prints_the_whole_response(call: Callable[[Desk], Call]) -> None:
    async with a_desk() as desk:
        cli = call(desk)
        to = "+4915112345678"
        code, printed = await cli(
            *("test", WABA, "offer", "en_US", to, "--param", "Ada", "--param", "B-1")
        )
        assert (code, json.loads(printed)["body"]) == (0, {"messages": [{"id": "wamid.1"}]})
        assert "B-1" in str(desk.trials.tried)
        desk.trials.tried.clear()
        desk.trials.taken.clear()
        assert (await cli("test", WABA, "old", "en_US", to))[0] == 1


async def test_samples_and_rules(call: Callable[[Desk], Call], tmp_path: Path) -> None:
    async with a_desk() as desk:
        cli = call(desk)
        image = tmp_path / "a.png"
        image.write_bytes(b"png")
        assert "4::sample.png:image/png:3" in (await cli("sample", WABA, str(image)))[1]
        odd = tmp_path / "a.txt"
        odd.write_bytes(b"x")
        assert (await cli("sample", WABA, str(odd)))[0] == 2
        code, printed = await cli("rules", WABA, "--profile", "seed", "--region", "IN1", "--json")
        assert (code, json.loads(printed)) == (
            0,
            {"profile": "seed", "tracking": "https://ct3.io/"},
        )
        assert "profile: seed" in (await cli("rules", WABA))[1]
        both = ("--region", "EU1", "--tracking", "https://go.example/")
        assert (await cli("rules", WABA, *both))[0] == 1  # which of them is not said
        code, printed = await cli("rules", WABA, "--tracking", "off", "--json")
        assert (code, json.loads(printed)) == (0, {"profile": "seed", "tracking": ""})
