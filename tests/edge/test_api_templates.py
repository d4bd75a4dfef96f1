"""Templates over HTTP: written, submitted, edited, imported, deleted, tried; campaigns follow."""

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.model import Category, TemplateStatus
from engine.quota import DAY_MS
from tests.front_desk import (
    ADMIN,
    BODY,
    NOW_MS,
    READ,
    SENDER,
    WABA,
    Desk,
    a_campaign,
    a_desk,
    a_job,
    a_message,
    a_template,
)

LIST = f"/v1/wabas/{WABA}/templates"
ONE = f"{LIST}/offer/en_US"
EDIT: dict[str, Any] = {
    "category": "MARKETING",
    "components": [
        {
            "type": "BODY",
            "text": "Hello {{1}}, take {{2}} with you.",
            "example": {"body_text": [["Ada", "A-17"]]},
        }
    ],
}
OTHER: dict[str, Any] = {
    "category": "MARKETING",
    "components": [{"type": "BODY", "text": "Hello, nothing to fill in."}],
}


async def a_running_campaign(desk: Desk) -> None:
    await a_campaign(desk)
    await desk.call("POST", "/v1/campaigns/c1/start")


async def edit(desk: Desk, body: dict[str, Any] = EDIT) -> tuple[int, dict[str, Any]]:
    desk.master.templates = [replace(each, meta_id="1") for each in desk.master.templates]
    await desk.call("POST", LIST + "/import", {})
    status, shown = await desk.call("PUT", ONE, body)
    assert status == 200, shown
    return await desk.call("POST", ONE + "/submit")


async def approve(desk: Desk, body: dict[str, Any] = EDIT) -> None:
    """Let Meta approve what was submitted, and ask it."""
    desk.master.templates = [
        replace(each, meta_id="1", components=body["components"]) if each.name == "offer" else each
        for each in desk.master.templates
    ]
    assert (await desk.call("POST", ONE + "/refresh"))[0] == 200


async def state_of(desk: Desk, campaign: str = "c1") -> str:
    _, shown = await desk.call("GET", f"/v1/campaigns/{campaign}")
    return str(shown["state"])


async def warnings_of(desk: Desk, campaign: str = "c1") -> str:
    _, shown = await desk.call("GET", f"/v1/campaigns/{campaign}")
    return "\n".join(shown["warnings"])


async def test_a_bad_template_is_refused_with_everything_that_is_wrong() -> None:
    async with a_desk() as desk:
        body = {"category": "NEWS", "components": [{"type": "BODY", "text": "{{1}} and {{3}}."}]}
        status, shown = await desk.call("PUT", f"{LIST}/Spring-Offer/en-US", body)
        assert status == 422
        assert [each["pointer"] for each in shown["errors"]] == [
            "/name",
            "/language",
            "/category",
            "/components/0/text",
            "/components/0/text",
            "/components/0/example/body_text",
        ]
        assert (await desk.call("GET", f"{LIST}/Spring-Offer/en-US"))[0] == 404


async def test_a_draft_changes_nothing_that_is_sent_until_it_is_submitted() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("PUT", ONE, OTHER)
        assert (status, shown["status"]) == (200, "APPROVED")
        assert shown["components"] == BODY
        assert shown["draft"]["components"] == OTHER["components"]
        assert (await desk.call("POST", "/v1/jobs", a_job()))[0] == 202


async def test_a_template_is_submitted_and_waits_for_its_review() -> None:
    async with a_desk() as desk:
        path = f"{LIST}/spring/en_US"
        status, shown = await desk.call("PUT", path, EDIT)
        assert (status, shown["status"], shown["id"]) == (201, "DRAFT", None)
        status, shown = await desk.call("POST", path + "/submit")
        assert (status, shown["status"], shown["id"], shown["draft"]) == (
            202,
            "PENDING",
            "4711",
            None,
        )
        assert desk.master.asked[-1] == ("create", "spring")
        status, shown = await desk.call("POST", path + "/submit")
        assert (status, shown["code"]) == (409, "no_draft")


async def test_an_edit_stops_what_uses_it_and_approval_brings_it_back() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await a_campaign(desk, id="c2", message=a_message("{{name}}", "{{code}}", name="update"))
        for campaign in ("c1", "c2"):
            await desk.call("POST", f"/v1/campaigns/{campaign}/start")
        status, shown = await edit(desk)
        assert (status, shown["status"]) == (202, "PENDING")
        assert shown["campaigns"] == [{"id": "c1", "did": "stopped", "errors": [], "jobs": 0}]
        assert [await state_of(desk, each) for each in ("c1", "c2")] == ["stopped", "running"]
        assert "resumes when the template is approved" in await warnings_of(desk)
        await approve(desk)
        assert await state_of(desk) == "running"
        assert "template" not in await warnings_of(desk)


async def test_a_campaign_that_was_paused_comes_back_paused() -> None:
    async with a_desk() as desk:
        await a_running_campaign(desk)
        await desk.call("POST", "/v1/campaigns/c1/pause")
        await edit(desk)
        assert await state_of(desk) == "stopped"
        await approve(desk)
        assert await state_of(desk) == "paused"


async def test_a_campaign_may_wish_to_stay_stopped() -> None:
    async with a_desk() as desk:
        await a_campaign(desk, on_template_change="stay_stopped")
        await desk.call("POST", "/v1/campaigns/c1/start")
        await edit(desk)
        await approve(desk)
        assert await state_of(desk) == "stopped"
        assert "resume it yourself" in await warnings_of(desk)
        assert (await desk.call("POST", "/v1/campaigns/c1/resume"))[0] == 200
        assert await state_of(desk) == "running"


async def test_where_it_no_longer_fits_the_answer_names_the_field() -> None:
    async with a_desk() as desk:
        await a_running_campaign(desk)
        await edit(desk, OTHER)
        await approve(desk, OTHER)
        assert await state_of(desk) == "stopped"
        place = "/message/template/components/0"
        assert place in await warnings_of(desk)
        status, shown = await desk.call("POST", "/v1/campaigns/c1/resume")
        assert status == 422
        assert [(each["pointer"], each["code"]) for each in shown["errors"]] == [
            (place, "parameter_count")
        ]


async def test_a_rejected_edit_leaves_its_campaigns_waiting() -> None:
    async with a_desk() as desk:
        await a_running_campaign(desk)
        await edit(desk)
        rejected = replace(desk.master.templates[0], status=TemplateStatus.REJECTED)
        desk.master.templates[0] = rejected
        _, shown = await desk.call("POST", ONE + "/refresh")
        assert (shown["status"], shown["campaigns"]) == ("REJECTED", [])
        assert await state_of(desk) == "stopped"


async def test_an_approved_template_is_edited_once_a_day_and_never_in_review() -> None:
    async with a_desk() as desk:
        assert (await edit(desk))[0] == 202
        await desk.call("PUT", ONE, EDIT)
        status, shown = await desk.call("POST", ONE + "/submit")
        assert (status, shown["code"]) == (409, "in_review")
        desk.now_ms += 3_600_000
        await approve(desk)
        status, shown = await desk.call("POST", ONE + "/submit")
        assert (status, shown["code"]) == (409, "edited_too_often")
        assert "wait 23 h 0 min" in shown["detail"]
        desk.now_ms += DAY_MS - 3_600_000
        assert (await desk.call("POST", ONE + "/submit"))[0] == 202
        assert [each for each in desk.master.asked if each[0] == "edit"] == [("edit", "offer")] * 2


async def test_what_meta_refuses_is_told_and_stops_nothing() -> None:
    async with a_desk() as desk:
        await a_running_campaign(desk)
        for error, status in (
            (ProviderRefusedError("100 bad words", code=100), 502),
            (ProviderBusyError("too many calls", until_ms=NOW_MS + 1, wait_ms=1), 503),
            (ProviderAwayError("no answer"), 502),
        ):
            desk.master.error = None
            desk.master.templates = [replace(each, meta_id="1") for each in desk.master.templates]
            await desk.call("POST", LIST + "/import", {})
            await desk.call("PUT", ONE, EDIT)
            desk.master.error = error
            answer, shown = await desk.call("POST", ONE + "/submit")
            assert (answer, str(error) in shown["detail"]) == (status, True)
            assert await state_of(desk) == "running"
            _, shown = await desk.call("GET", ONE)
            is_lost = isinstance(error, ProviderAwayError)  # closed until Meta was asked
            left = "UNKNOWN" if is_lost else "APPROVED"
            assert (shown["status"], shown["draft"] is None) == (left, False)
        assert desk.registry.directory.templates[f"{WABA}/offer/en_US"].stale_since_ms
        desk.master.error = None
        _, shown = await desk.call("POST", ONE + "/refresh")
        assert (shown["status"], shown["draft"] is None) == ("APPROVED", False)


async def test_a_deletion_is_for_good() -> None:
    async with a_desk() as desk:
        await a_running_campaign(desk)
        assert (await desk.upload("c1", "to,name,code\n+4915112345678,Ada,ABC"))[0] == 202
        status, shown = await desk.call("DELETE", ONE)
        assert (status, shown["status"]) == (200, "DELETED")
        assert shown["campaigns"] == [{"id": "c1", "did": "cancelled", "errors": [], "jobs": 0}]
        _, campaign = await desk.call("GET", "/v1/campaigns/c1")
        assert (campaign["state"], campaign["counts"]["cancelled"]) == ("cancelled", 1)
        assert any("was deleted" in each for each in campaign["warnings"])
        assert (await desk.call("POST", "/v1/jobs", a_job()))[0] == 422


async def test_an_import_tells_what_changed_and_keeps_the_set_of_before() -> None:
    async with a_desk() as desk:
        await a_running_campaign(desk)
        desk.now_ms += 5_000
        desk.master.templates = [
            a_template(components=OTHER["components"]),
            a_template("update", category=Category.UTILITY),
            a_template("fresh"),
        ]
        status, shown = await desk.call("POST", LIST + "/import", {"mode": "replace"})
        assert status == 200
        assert shown["changes"] == {
            "added": [f"{WABA}/fresh/en_US"],
            "changed": [f"{WABA}/offer/en_US"],
            "deleted": [f"{WABA}/old/en_US"],
        }
        (touched,) = shown["campaigns"]
        assert (touched["id"], touched["did"]) == ("c1", "stopped")
        assert touched["errors"][0]["pointer"] == "/message/template/components/0"
        status, kept = await desk.call("GET", shown["previous"])
        assert status == 200
        assert {each["name"] for each in kept["templates"]} == {"offer", "update", "old"}
        _, sets = await desk.call("GET", f"/v1/wabas/{WABA}/template-sets")
        assert sets["sets"][0]["path"] == shown["previous"]
        assert (await desk.call("GET", f"/v1/wabas/{WABA}/template-sets/1"))[0] == 404


async def test_an_import_that_finds_nothing_new_writes_nothing() -> None:
    async with a_desk() as desk:
        before = dict(desk.registry.directory.templates)
        desk.now_ms += 60_000
        _, shown = await desk.call("POST", LIST + "/import", {})
        assert shown["changes"] == {"added": [], "changed": [], "deleted": []}
        after = desk.registry.directory.templates
        assert {key for key, one in before.items() if after[key] is one} == {*before} != set()


async def test_an_import_with_unreadable_rows_deletes_nothing() -> None:
    async with a_desk() as desk:
        desk.master.templates, desk.master.unreadable = [a_template()], 1
        _, shown = await desk.call("POST", LIST + "/import", {"mode": "replace"})
        assert (shown["deleted"], shown["unreadable"]) == (0, 1)
        assert shown["warnings"]


async def test_a_merge_keeps_what_meta_does_not_list_and_a_replace_keeps_drafts() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", f"{LIST}/spring/en_US", EDIT)
        desk.master.templates = [a_template()]
        await desk.call("POST", LIST + "/import", {"mode": "merge"})
        _, shown = await desk.call("GET", f"{LIST}/update/en_US")
        assert shown["status"] == "APPROVED"
        await desk.call("POST", LIST + "/import", {"mode": "replace"})
        _, shown = await desk.call("GET", f"{LIST}/update/en_US")
        assert shown["status"] == "DELETED"
        _, shown = await desk.call("GET", f"{LIST}/spring/en_US")
        assert shown["status"] == "DRAFT"


async def test_a_category_moves_the_priority_of_coming_rows() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        chosen = a_message("{{name}}", "{{code}}")
        await a_campaign(desk, id="c2", priority="utility", message=chosen)
        desk.master.templates = [a_template(category=Category.UTILITY)]
        await desk.call("POST", LIST + "/import", {})
        for campaign in ("c1", "c2"):
            _, shown = await desk.call("GET", f"/v1/campaigns/{campaign}")
            assert shown["priority"] == "utility"
        desk.master.templates = [a_template(category=Category.MARKETING)]
        desk.now_ms += 1_000
        await desk.call("POST", LIST + "/import", {})
        assert desk.registry.directory.campaigns["c1"].priority.name == "MARKETING"


async def test_a_preview_shows_samples_or_what_is_given() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", ONE, EDIT)
        _, shown = await desk.call("POST", ONE + "/preview", {"draft": True}, key=READ)
        assert shown["body"] == "Hello Ada, take A-17 with you."
        given = a_message("Bob", "B-1")["template"]
        assert isinstance(given, dict)
        body = {"components": given["components"]}
        _, shown = await desk.call("POST", ONE + "/preview", body)
        assert shown["body"] == "Hi Bob, your code is B-1."
        wrong = {"components": [{"type": "body", "parameters": []}]}
        status, shown = await desk.call("POST", ONE + "/preview", wrong)
        assert (status, shown["errors"][0]["pointer"]) == (422, "/components/0")


async def test_a_test_send_takes_its_place_and_gives_meta_s_whole_response() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("POST", ONE + "/test", {"to": "+4915112345678"})
        assert (status, shown["ok"]) == (200, True)
        assert desk.trials.taken == ["4915112345678"]
        ((sender, to, message),) = desk.trials.tried
        assert (sender, to) == (SENDER, "+4915112345678")
        assert "sample" in str(message)


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("offer", {"to": "nobody"}, 422, None),
        ("offer", {"to": "+4915112345678", "sender": "1"}, 422, "unknown_sender"),
        ("old", {"to": "+4915112345678"}, 409, "not_approved"),
        ("offer", {"to": "+4915112345678", "components": []}, 422, "parameter_count"),
        ("none", {"to": "+4915112345678"}, 404, "not_found"),
    ],
)
async def test_a_test_send_that_must_not_leave_does_not(
    name: str, body: dict[str, Any], status: int, code: str | None
) -> None:
    async with a_desk() as desk:
        answer, shown = await desk.call("POST", f"{LIST}/{name}/en_US/test", body)
        assert answer == status, shown
        assert code in (None, shown["code"])
        assert desk.trials.tried == []


async def test_a_sample_gets_a_handle() -> None:
    async with a_desk() as desk:
        for kind, content, status in (
            ("image/png", b"png", 201),
            ("image/png", b"", 400),
            ("text/plain", b"text", 415),
        ):
            headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": kind}
            path = LIST + "/samples?name=a.png"
            answer = await desk.client.post(path, data=content, headers=headers)
            assert answer.status == status
            if status == 201:
                assert await answer.json() == {"handle": "4::a.png:image/png:3"}


async def test_what_is_stated_is_believed_and_puts_the_gate_in_force() -> None:
    async with a_desk() as desk:
        body = {"category": "MARKETING", "components": BODY, "status": "PAUSED"}
        assert (await desk.call("PUT", f"{LIST}/a%2Fb/en_US", body))[0] == 422
        assert (await desk.call("PUT", ONE, body))[0] == 200
        _, shown = await desk.call("POST", "/v1/jobs", a_job())
        _, job = await desk.call("GET", f"/v1/jobs/{shown['results'][0]['id']}")
        assert job["waiting_for"][0]["gate"] == "template"
