"""`/v1/wabas/{waba}`: what Meta told of an account, and opening it for who knows better."""

from __future__ import annotations

from aiohttp import web

from adapters.api.bodies import NAME, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import AccountAnswer
from adapters.api.openapi.described import described
from adapters.api.told import shown_closures, shown_facts
from engine.borders import border_facts, closed_countries
from engine.directory import Role
from engine.errors import UnknownNameError
from engine.facts import of_account
from engine.model import WabaId
from engine.senders import CLOSES_ACCOUNT, account_closures

PATH = f"/v1/wabas/{{waba:{NAME[1:-1]}}}"


class AccountRoutes:
    """The routes of `/v1/wabas/{waba}`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get(PATH, may(Role.READ, self._get))
        router.add_post(f"{PATH}/open", may(Role.ADMIN, self._open))

    @described("What closes an account, and what was told of it", gives=AccountAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        return as_json(shown_account(self._front, self._known(request)))

    @described("Open an account by hand", gives=AccountAnswer)
    async def _open(self, request: web.Request) -> web.Response:
        """Open an account by hand, whatever closed it: the next refusal closes it again."""
        waba = self._known(request)
        facts = self._front.keeper.facts
        names = [of_account(waba, aspect) for aspect in CLOSES_ACCOUNT]
        names += [fact.id for _, fact in border_facts(facts, waba)]
        for name in names:
            if name in facts:
                await self._front.keeper.order(name, "opened")
        await self._front.keeper.obey_account(waba)  # also what no fact says
        return as_json(shown_account(self._front, waba))

    def _known(self, request: web.Request) -> WabaId:
        waba = WabaId(request.match_info["waba"])
        if self._front.portfolio_of_waba(waba) is None:
            raise UnknownNameError(f"there is no sender in WhatsApp Business Account {waba}")
        return waba


def shown_account(front: Front, waba: WabaId) -> dict[str, object]:
    """Return an account for the outside."""
    facts = front.keeper.facts
    return {
        "id": waba,
        "closed_by": shown_closures(account_closures(facts, waba), front.now_ms()),
        "countries": {
            country: rfc3339(until_ms)
            for country, until_ms in closed_countries(facts, waba, front.now_ms()).items()
        },
        "told": shown_facts(facts, "waba", waba),
    }
