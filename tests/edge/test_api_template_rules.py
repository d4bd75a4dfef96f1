"""How templates of an account are judged, over HTTP: by which rules, where clicks are tracked."""

from typing import Any

import pytest

from tests.front_desk import READ, WABA, a_desk

LIST = f"/v1/wabas/{WABA}/templates"


async def test_an_account_s_profile_judges_where_none_is_named() -> None:
    async with a_desk() as desk:
        otp = {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}
        components = [{"type": "BODY"}, otp]
        code: dict[str, Any] = {"category": "AUTHENTICATION", "components": components}
        assert (await desk.call("PUT", f"{LIST}/login/en_US", code))[0] == 201
        rules = {"profile": "seed", "region": "EU1"}
        status, shown = await desk.call("PUT", f"/v1/wabas/{WABA}/template-rules", rules)
        assert (status, shown) == (200, {"profile": "seed", "tracking": "https://ct1.io/"})
        assert (await desk.call("PUT", f"{LIST}/login/en_US", code))[0] == 422
        named = code | {"profile": "meta"}
        assert (await desk.call("PUT", f"{LIST}/login/en_US", named))[0] == 200
        assert (await desk.call("GET", f"/v1/wabas/{WABA}/template-rules", key=READ))[1] == shown
        odd = {"region": "MARS"}
        assert (await desk.call("PUT", f"/v1/wabas/{WABA}/template-rules", odd))[0] == 422


@pytest.mark.parametrize(
    "base",
    [
        "http://ct1.io/",
        "https://",
        "https://ct1.io",  # so begins https://ct1.io.elsewhere.example/, too
        "https:///ct1.io/",
        "https://ct1.io /",
        "https://ct1.io/{{1}}",
        "https://ct1.io@elsewhere.example/",
    ],
)
async def test_what_urls_begin_with_is_an_address_of_a_whole_host(base: str) -> None:
    async with a_desk() as desk:
        path = f"/v1/wabas/{WABA}/template-rules"
        status, problem = await desk.call("PUT", path, {"tracking": base})
        [error] = problem["errors"]
        assert (status, error["pointer"], error["code"]) == (422, "/tracking", "not_full_url")
        for good in ("https://ct1.io/", "https://go.shop.example:8443/c/x?to=", ""):
            assert (await desk.call("PUT", path, {"tracking": good}))[1]["tracking"] == good
