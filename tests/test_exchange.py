"""Where administrators let other programs in: the console's pages for it."""

import json
import re

from sqlalchemy import select

from bot.settings import ExchangeSettings
from models import AuditEntry, RoleKind
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import Answered, Desk, desk_of, screen_of
from tests.databases import ON_POSTGRESQL
from tests.programs import client, receiver


def secret_in(answered: Answered) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', answered.text)
    assert found, answered.words
    return found.group(1)


async def test_a_token_is_made_shown_once_used_and_revoked(city: City) -> None:
    he = await city.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    home = (await city.person(he)).organisation_id
    page = f"/organisations/{home}/exchange"
    async with desk_of(city, he) as desk:
        assert "石岐街道志愿服务协会" in (await desk.open("/exchange")).words
        assert "还没有令牌" in (await desk.open(page)).words
        wanted = {"name": "省平台", "days": "30", "scope": ["volunteers:read"]}
        refused = await desk.send(page + "/tokens", {**wanted, "scope": []})
        assert refused.status == 400 and "请至少选择一项" in refused.words
        assert 'value="省平台"' in refused.text, "what was entered stays"
        assert (await desk.send(page + "/tokens", {**wanted, "days": "31"})).status == 400
        secret = secret_in(await desk.send(page + "/tokens", wanted))
        listed = await desk.open(page)
        assert "省平台" in listed.words and secret not in listed.text
        assert "从未使用" in listed.words
        async with client(city, secret) as program:
            assert (await program.get("/volunteers")).status == 200
            assert (await program.get("/activities")).status == 403
            assert "上次使用" in (await desk.open(page)).words
            revoked = await desk.send("/exchange/tokens/1/revoke")
            assert "已吊销" in revoked.words
            assert (await program.get("/volunteers")).status == 401
    async with city.database.read() as session:
        actions = await session.scalars(select(AuditEntry.action))
        assert {"token.made", "token.revoked"} <= set(actions)


async def test_a_webhook_is_made_tested_followed_and_changed(city: City) -> None:
    async with receiver() as there:
        city.exchange = ExchangeSettings(private_webhooks=True)
        await city.start_again()
        he = await city.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
        home = (await city.person(he)).organisation_id
        page = f"/organisations/{home}/exchange"
        async with desk_of(city, he) as desk:
            await desk.open(page)
            fields = {"webhook_name": "省平台", "url": "gopher://x", "kind": ["hours.confirmed"]}
            refused = await desk.send(page + "/webhooks", fields)
            assert refused.status == 400 and "这不是可以推送的地址" in refused.words
            made = await desk.send(page + "/webhooks", {**fields, "url": there.url})
            secret = secret_in(made)
            one = "/exchange/webhooks/1"
            assert "还没有推送过" in (await desk.open(one)).words
            there.answers = [(500, "no room")]
            assert "正在发送" in (await desk.send(one + "/ping")).words
            await city.program.webhooks.turn()
            failed = await desk.open(one)
            assert "500 no room" in failed.words and secret not in failed.text
            assert "起推送失败" in (await desk.open(page)).words
            await desk.send("/exchange/dispatches/1/retry")
            await city.program.webhooks.turn()
            assert "已送达" in (await desk.open(one)).words
            assert "正常" in (await desk.open(page)).words
            assert secret_in(await desk.send(one + "/rotate")) != secret
            await desk.send(one + "/kinds", {"kind": ["callout.declared", "callout.ended"]})
            assert 'value="callout.ended" checked' in (await desk.open(one)).text
            await desk.send(one + "/off")
            assert (await desk.send(one + "/ping")).status == 400
            assert "已停用" in (await desk.open(page)).words
            await desk.send(one + "/on")
            await desk.send(one + "/remove")
            assert "还没有推送地址" in (await desk.open(page)).words
        assert [json.loads(got.body)["type"] for got in there.received] == ["webhook.test"] * 2


async def test_the_organisations_calendar_is_made_and_revoked(city: City) -> None:
    he = await city.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    home = (await city.person(he)).organisation_id
    page = f"/organisations/{home}/exchange"

    async def status(desk: Desk, answered: Answered) -> int:
        found = re.search(r"http://[^<]+(/calendar/[\w-]+\.ics)", answered.text)
        assert found
        async with desk.session.get(found.group(1)) as answer:
            return answer.status

    async with desk_of(city, he) as desk:
        await desk.open(page)
        shown = await desk.send(page + "/calendar")
        assert await status(desk, shown) == 200
        gone = await desk.send(page + "/calendar/revoke")
        assert "生成订阅地址" in gone.words
        assert await status(desk, shown) == 404


async def test_only_administrators_of_the_organisation_come_in(city: City) -> None:
    he = await city.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    wang = await city.coordinator("王强", role=RoleKind.COMMANDER)
    liang = await city.coordinator("梁会长", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR)
    home = (await city.person(he)).organisation_id
    page = f"/organisations/{home}/exchange"
    async with desk_of(city, he) as desk:
        await desk.open(page)
        await desk.send(
            page + "/tokens", {"name": "省平台", "days": "30", "scope": ["volunteers:read"]}
        )
    for who in (wang, liang):
        async with desk_of(city, who) as desk:
            assert (await desk.open(page)).status == 403
            fields = {"name": "x", "days": "30", "scope": ["volunteers:read"]}
            for path in ("/tokens", "/webhooks", "/calendar", "/calendar/revoke"):
                assert (await desk.send(page + path, fields)).status == 403
            assert (await desk.send("/exchange/tokens/1/revoke")).status == 403
    async with desk_of(city, wang) as desk:
        assert (await desk.open("/exchange")).status == 403


@ON_POSTGRESQL
async def test_a_token_is_made_on_a_phone_and_the_pages_have_no_fault_for_screen_readers(
    city: City,
) -> None:
    he = await city.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    home = (await city.person(he)).organisation_id
    async with screen_of(city, he, f"/organisations/{home}/exchange", PHONE) as page:
        await page.get_by_text("新建令牌").click()
        await page.get_by_label("用途").first.fill("省平台")
        await page.get_by_label("查看活动").check()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page) == []
        await page.get_by_role("button", name="创建令牌").click()
        await page.get_by_text("它只显示这一次").wait_for()
        assert (await page.locator("#secret").inner_text()).startswith("mst_")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        await page.goto(page.url.partition("/console")[0] + "/api")
        assert await barriers(page) == []
