"""What everybody sees of projects, and how they spread: brand, promotion, copies, sponsors."""

import asyncio
import re
from html import unescape
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from models import Message, Project, ProjectState, RoleKind, Sponsorship, SponsorshipState
from services import project_evaluation, project_library
from services.errors import NotAllowed, Refusal
from tests.browser import PHONE, blank, browser, visit
from tests.city import City
from tests.making import POLICY, Making
from tests.proposing import Library, open_project
from tests.test_console_activities import has_no_fault
from web.projects import LOOKS, OFFERS


async def read(web: aiohttp.ClientSession, path: str, **more: Any) -> tuple[int, str]:
    """The status of a page and its words."""
    async with web.get(path, **more) as answer:
        text = await answer.text()
        return answer.status, re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text)))


async def test_anybody_reads_the_catalogue_and_nothing_of_persons(
    city: City, web: aiohttp.ClientSession
) -> None:
    making, library = city.making, Library(city.making)
    wang = await making.coordinator("王强", organisation="zs")
    chen = await making.volunteer("陈晓丽")
    he = await making.volunteer("何敏", organisation="zs-xiaolan")
    assert "还没有立项的项目" in (await read(web, "/projects"))[1]
    done = await library.closed(chen, wang)
    runs = await library.running(he, wang, title="邻里食堂")
    hidden = [
        await library.draft(chen, title="只是草稿"),
        await library.submitted(chen, title="等待评审"),
    ]
    await library.do(wang, project_library.brand, done.id, on=True)
    status, words = await read(web, "/projects")
    assert status == 200 and words.index("银发相伴") < words.index("邻里食堂")
    assert "品牌项目" in words and "草稿" not in words and "等待评审" not in words
    await library.do(wang, project_library.brand, done.id, on=False)
    words = (await read(web, "/projects"))[1]
    assert words.index("邻里食堂") < words.index("银发相伴") and "品牌项目" not in words
    town = (await making.organisation("zs-xiaolan")).id
    words = (await read(web, f"/projects?town={town}&field={runs.field_id}"))[1]
    assert "邻里食堂" in words and "银发相伴" not in words
    assert "没有找到" in (await read(web, "/projects?q=龙舟"))[1]
    status, words = await read(web, f"/projects/{done.code}")
    assert status == 200 and "六十位老人笑了" in words and "5.0 / 5" in words
    for secret in ("陈晓丽", "王强", chen.number or "?", chen.phone or "?"):
        assert secret not in words
    status, words = await read(web, f"/projects/{done.code}?lang=en")
    assert "Whom it serves" in words and "Concluded" in words
    for one in hidden:
        assert (await read(web, f"/projects/{one.code}"))[0] == 404
    for wrong in ("zzzzzzzz", "zzzzzzzz?lang=x"):
        assert (await read(web, f"/projects/{wrong}"))[0] == 404
    assert (await read(web, "/projects?page=7&town=999999"))[0] == 404
    city.clock.forward(minutes=2)
    for _ in range(LOOKS.most):
        await read(web, "/projects")
    assert (await read(web, "/projects"))[0] == 429


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_catalogue_is_read_on_a_phone(city: City) -> None:
    making, library = city.making, Library(city.making)
    wang = await making.coordinator("王强", organisation="zs")
    chen = await making.volunteer("陈晓丽")
    project = await library.closed(chen, wang)
    asks = await library.evaluating(chen, wang, title="邻里食堂")
    base = f"http://127.0.0.1:{city.program.web_port}"
    async with (
        browser() as running,
        blank(running) as page,
        visit(page, f"{base}/projects", PHONE),
    ):
        await has_no_fault(page)
        await page.get_by_role("link", name=project.title).click()
        await page.get_by_role("heading", name=project.title).wait_for()
        await page.emulate_media(color_scheme="dark")
        await has_no_fault(page)
        await page.get_by_role("link", name="English").click()
        await page.get_by_role("heading", name="What the project achieved").wait_for()
        await page.goto(f"{base}/evaluate/{project_evaluation.link(asks.id)}")
        await page.get_by_role("heading", name="服务评价").wait_for()
        await has_no_fault(page)


async def test_the_federation_promotes_a_project_and_a_town_adopts_its_copy(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强", organisation="zs", role=RoleKind.ADMINISTRATOR)
    lin = await city.coordinator("林小榄", organisation="zs-xiaolan")
    library = Library(city.making)
    project = await library.running(await city.person(chen), await city.person(wang))
    await open_project(wang, project)
    await wang.press("评为品牌项目")
    await chen.sees("被评为全市品牌项目")
    await wang.press("推广到各镇街")
    await wang.sees("向各镇街推广")
    await lin.sees("向各镇街推广石岐街道志愿服务协会的“银发相伴”")
    await lin.press("引进到本镇街")
    await lin.sees("这是你们自己的一份")
    shown = await lin.sees("引自石岐街道志愿服务协会的“银发相伴”")
    assert "日期待定" in shown.words and "预算 ¥2,500.00" in shown.words
    refused = await lin.press("提交申报")
    assert refused is not None and "请先补上项目起止日期" in refused.text
    await lin.press_data(f"project.adopt:{project.id}")
    await lin.press("修改")
    await lin.press("✏️ 开始")
    await lin.say("2026年12月1日")
    await lin.press("对，没错")
    await lin.sees("到哪天结束")
    await lin.say("2027年5月1日")
    await lin.press("对，没错")
    await lin.press("✏️ 节点")
    await lin.sees("还没有日期")
    await lin.press("写完了")
    await lin.sees("请连同日期重新写一遍")
    await lin.say("完成培训 2026年12月20日\n中期检查 2027年2月1日")
    await lin.sees("2027年2月1日")
    await lin.press("写完了")
    await lin.press("保存草稿")
    await lin.press("提交申报")
    await lin.sees("已提交")
    async with city.database.read() as session:
        copied = (
            await session.scalars(select(Project).where(Project.adopted_from_id == project.id))
        ).one()
        assert copied.state is ProjectState.SUBMITTED and copied.results == ""
    await open_project(chen, project)
    await chen.sees("已有 1 家引进")


async def test_only_the_federation_promotes_and_a_town_has_one_copy(making: Making) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    he = await making.coordinator("何敏")
    lins = [await making.coordinator(name, organisation="zs-xiaolan") for name in ("林一", "林二")]
    project = await library.running(he, wang)
    for verb in (project_library.promote, lambda *a: project_library.brand(*a, on=True)):
        with pytest.raises(NotAllowed):
            await library.do(he, verb, project.id)
    assert await library.do(wang, project_library.promote, project.id) == 2
    with pytest.raises(Refusal, match="project_promoted"):
        await library.do(wang, project_library.promote, project.id)
    town = lins[0].organisation_id
    made = await asyncio.gather(
        *(library.do(one, project_library.adopt, project.id, town) for one in lins),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Project) for one in made) == 1
    assert sum(isinstance(one, Refusal) for one in made) == 1
    with pytest.raises(NotAllowed):
        await library.do(lins[0], project_library.adopt, project.id, he.organisation_id)


async def test_sponsors_reach_the_leader_and_nobody_else_learns_their_phone(
    city: City, web: aiohttp.ClientSession
) -> None:
    chen = await city.volunteer("陈晓丽")
    li = await city.volunteer("李雷")
    wang = await city.coordinator("王强", organisation="zs")
    library = Library(city.making)
    project = await library.running(await city.person(chen), await city.person(wang))
    path = f"/projects/{project.code}"
    given = {"name": "好邻居超市", "offer": "每月 20 袋米", "contact": "0760-8888 1234"}
    async with web.post(path, data=given) as answer:
        assert answer.status == 400 and "目前不需要支持" in await answer.text()
    await open_project(chen, project)
    await chen.press("寻求支持")
    await chen.say("米和油，每月 20 份")
    await chen.sees("寻求支持：米和油，每月 20 份")
    async with web.post(path, data={**given, "contact": "1"}) as answer:
        text = await answer.text()
        assert answer.status == 400 and "每月 20 袋米" in text
    async with web.post(path, data=given) as answer:
        assert answer.status == 200 and "谢谢你" in await answer.text()
    await chen.sees("有人愿意支持“银发相伴”")
    await open_project(li, project)
    await li.press("我想支持")
    await li.say("周末开车送货")
    await li.press("用我的手机号")
    await li.press("送出心意")
    await li.sees("只有项目负责人能看到")
    await city.sent()
    await chen.press("看看是什么")
    phone = (await city.person(li)).phone or "?"
    shown = await chen.sees("周末开车送货")
    assert phone in shown.words
    await chen.press("同意")
    await chen.say("太好了，周五给你打电话。")
    await chen.sees("已接受")
    await li.sees("欣然接受了你的心意")
    await chen.press("返回")
    await chen.press("好邻居超市")
    await chen.sees("0760-8888 1234")
    await chen.press("婉谢")
    await chen.say("谢谢，这个月已经够了。")
    await chen.sees("已婉谢")
    async with city.database.read() as session:
        offers = list(await session.scalars(select(Sponsorship).order_by(Sponsorship.id)))
        assert [one.contact for one in offers] == ["", phone]
        raw = await session.execute(select(func.count()).select_from(Sponsorship))
        assert raw.scalar() == 2
        for parameters in await session.scalars(select(Message.parameters)):
            assert "8888" not in str(parameters) and phone not in str(parameters)
    await open_project(wang, project)
    await wang.press_data(f"project.offers:{project.id}")
    await wang.press_data(f"support:{offers[1].id}")
    await city.answered()
    assert not any(phone in m.words or "送货" in m.words for m in wang.messages)
    for _ in range(OFFERS.most):
        async with web.post(path, data=given) as answer:
            status = answer.status
    assert status == 429


async def test_an_offer_is_answered_once(making: Making) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    chen = await making.volunteer("陈晓丽")
    project = await library.running(chen, wang)
    await library.do(chen, project_library.seek, project.id, "大米")
    given = ("王强", "一袋大米", "13800138000")
    offer = await library.do(wang, project_library.offer, project.id, *given)
    with pytest.raises(Refusal, match="project_offered_already"):
        await library.do(wang, project_library.offer, project.id, *given)
    answer = project_library.answer_offer
    with pytest.raises(NotAllowed):
        await library.do(wang, answer, offer.id, "谢谢", accept=True)
    await library.do(chen, answer, offer.id, "谢谢", accept=True)
    with pytest.raises(Refusal, match="project_offer_answered"):
        await library.do(chen, answer, offer.id, "谢谢", accept=False)


async def test_who_offered_something_is_forgotten_once_it_has_been_over_for_long(
    making: Making,
) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    chen, li = await making.volunteer("陈晓丽"), await making.volunteer("李雷")
    project = await library.running(chen, wang)
    await library.do(chen, project_library.seek, project.id, "大米")
    given = (project.id, "好邻居超市", "一袋大米", "13800138000")
    taken = await library.do(wang, project_library.offer, *given)
    await library.do(chen, project_library.answer_offer, taken.id, "谢谢", accept=True)
    waits = await library.do(li, project_library.offer, *given)
    making.clock.forward(days=POLICY.sponsor_keep_days + 1)
    for due in ([waits.id], []):
        async with making.database.write() as session:
            work = making.work(session)
            assert await project_library.to_forget(work) == due
            await project_library.forget(work, due)
    async with making.database.read() as session:
        gone, kept = [await session.get_one(Sponsorship, one.id) for one in (waits, taken)]
        assert (gone.name, gone.offer, gone.contact) == ("", "", "")
        assert gone.state is SponsorshipState.DECLINED and kept.contact == "13800138000"
