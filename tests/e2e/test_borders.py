"""Countries that Meta closed to an account, through the whole house; the simulator judges."""

from pathlib import Path

import msgspec
import pytest

from tests.e2e.test_people import ends
from tests.e2e.test_world import until
from tests.e2e.whole_house import WABA, a_whole_house, a_world, rows

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]


async def test_one_refusal_is_enough_for_what_is_queued_and_for_what_comes(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world()
    closed = msgspec.structs.replace(world.wabas[0], blocked_prefixes=["53"])
    world = msgspec.structs.replace(world, wabas=[closed])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        cubans = "\n".join(f"+53512345{number},Ana" for number in range(10, 40))
        await whole.upload("c1", f"{rows(5)}\n{cubans}")
        assert await ends(whole, "+5351234567", "update") == "failed"
        await until(whole, lambda each: "CU" in each["countries"], f"/v1/wabas/{WABA}")
        await whole.call("POST", "/v1/campaigns/c1/start")
        counts = (await whole.completed("c1"))["counts"]
        assert (counts["accepted"], counts["suppressed"]) == (5, 30)
        late = await whole.upload("c1", "to,name\n+5351234568,Eva\n")
        assert late["errors"][0]["code"] == "country_closed"
        report = whole.report()
        assert (report.clean, report.errors) == (True, {"130497": 1})
