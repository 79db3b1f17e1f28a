"""Proposals under review: words both ways, decisions from the level above, races, the desk."""

import asyncio

import pytest
from sqlalchemy import select

from models import Delivery, Message, ProjectState
from services import desk, project_list, project_review, projects
from services.errors import NotAllowed, Refusal
from services.project_review import Verdict
from services.work import Work
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making
from tests.proposing import Library, open_project


async def test_proposer_and_reviewer_talk_until_it_is_approved(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强", organisation="zs")
    gu = await city.coordinator("古月", organisation="zs")
    library = Library(city.making)
    project = await library.draft(await city.person(chen))
    await open_project(chen, project)
    await chen.press("提交申报")
    for one in (wang, gu):
        await one.sees("陈晓丽 申报了一个项目")
    await wang.press("查看并评审")
    await wang.sees("60 位独居老人")
    await wang.press("意见往来")
    await wang.press("写几句")
    await wang.say("老人名单从哪里来？")
    await wang.sees("老人名单从哪里来？")
    await chen.sees("王强 对“银发相伴”说：")
    await chen.press("回复")
    await chen.say("由村委会提供。")
    await wang.sees("陈晓丽 对“银发相伴”说：\n\n由村委会提供。")
    await wang.press("打开项目")
    await wang.press("退回")
    await wang.say("请补充保险预算。")
    await chen.sees("退回来了")
    await chen.sees("请补充保险预算。")
    await gu.sees("王强 已把“银发相伴”退回修改")
    await chen.press("打开项目")
    await chen.press("提交申报")
    await chen.sees("已提交")
    again = await gu.sees("陈晓丽 申报了一个项目")
    assert again
    await open_project(gu, project)
    await gu.press("通过")
    await gu.sees("已立项")
    await chen.sees("已经立项！")
    await wang.say(f"/start pj-{project.id}")
    await wang.sees("已立项")
    await wang.press_data(f"project.refuse:{project.id}")
    await wang.say("太贵了。")
    await wang.sees("项目状态已经变了，现在是：已立项")
    assert (await library.now(project)).state is ProjectState.APPROVED


async def test_the_level_above_decides_and_nobody_on_their_own(making: Making) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    gu = await making.coordinator("古月", organisation="zs")
    he = await making.coordinator("何敏", organisation="zs-shiqi")
    other = await making.coordinator("小榄", organisation="zs-xiaolan")
    chen = await making.volunteer("陈晓丽", organisation="zs-shiqi")
    of_town = await library.submitted(chen)
    for one in (he, other, chen):
        with pytest.raises(NotAllowed):
            await library.do(one, project_review.decide, of_town.id, Verdict.APPROVE)
        assert await library.do(one, project_list.waiting) == 0
    of_station = await library.submitted(
        await making.volunteer("站里人", organisation="zs-shiqi-taiping")
    )
    waits = await library.do(he, project_list.pending)
    assert [one.id for one, _ in waits] == [of_station.id]
    of_top = await library.submitted(wang)
    with pytest.raises(NotAllowed):
        await library.do(wang, project_review.decide, of_top.id, Verdict.APPROVE)
    assert await library.do(gu, project_list.waiting) == 3
    assert await library.do(wang, project_list.waiting) == 2
    for one in (of_town, of_top):
        await library.do(gu, project_review.decide, one.id, Verdict.APPROVE)
    with pytest.raises(Refusal, match="words_length"):
        await library.do(he, project_review.decide, of_station.id, Verdict.REFUSE, "")
    await library.do(he, project_review.decide, of_station.id, Verdict.REFUSE, "重复了")
    assert (await library.now(of_station)).state is ProjectState.REFUSED
    with pytest.raises(Refusal, match="project_moved_on"):
        await library.do(he, project_review.decide, of_station.id, Verdict.APPROVE)


async def test_who_led_a_project_once_never_reviews_it(making: Making) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    gu = await making.coordinator("古月", organisation="zs")
    project = await library.running(gu, wang)

    async def rights(work: Work) -> projects.May:
        return await projects.may(work, await projects.get(work, project.id))

    assert (await library.do(wang, rights)).review
    await library.do(wang, projects.take_lead, project.id)
    assert not (await library.do(gu, rights)).review
    assert not (await library.do(gu, rights)).lead


async def test_who_lost_their_role_hears_no_more_of_it(making: Making) -> None:
    library = Library(making)
    wang = await making.coordinator("王强", organisation="zs")
    gu = await making.coordinator("古月", organisation="zs")
    chen = await making.volunteer("陈晓丽")
    project = await library.submitted(chen)
    await library.do(wang, project_review.comment, project.id, "请补充名单。")
    await library.do(chen, project_review.comment, project.id, "已补充。")
    await making.without_roles(wang)
    await library.do(chen, project_review.comment, project.id, "还有一份预算。")
    async with making.database.read() as session:
        rows = await session.execute(
            select(Delivery.person_id, Message.parameters)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == "projects/commented")
            .order_by(Delivery.id)
        )
        heard = [(person_id, parameters["words"]) for person_id, parameters in rows]
    assert heard == [(chen.id, "请补充名单。"), (wang.id, "已补充。"), (gu.id, "还有一份预算。")]


async def test_of_two_decisions_at_once_one_counts(making: Making) -> None:
    library = Library(making)
    chen = await making.volunteer("陈晓丽")
    reviewers = [await making.coordinator(name, organisation="zs") for name in ("王强", "古月")]
    project = await library.submitted(chen)
    decided = await asyncio.gather(
        library.do(reviewers[0], project_review.decide, project.id, Verdict.APPROVE),
        library.do(reviewers[1], project_review.decide, project.id, Verdict.REFUSE, "重复了"),
        return_exceptions=True,
    )
    refused = [one for one in decided if isinstance(one, Refusal)]
    assert [one.code for one in refused] == ["project_moved_on"]


async def test_a_proposal_goes_nowhere_without_what_is_missing(making: Making) -> None:
    library = Library(making)
    chen = await making.volunteer("陈晓丽")
    draft = await library.draft(chen, milestones=(("培训", None),))
    with pytest.raises(Refusal, match="project_no_days"):
        await library.do(chen, project_review.submit, draft.id)
    with pytest.raises(Refusal, match="project_rows"):
        await library.draft(chen, budget=())
    gu = await making.volunteer("古月")
    with pytest.raises(NotAllowed):
        await library.do(gu, project_review.submit, draft.id)
    project = await library.submitted(chen)
    await library.do(chen, project_review.withdraw, project.id)
    with pytest.raises(Refusal, match="project_too_soon"):
        await library.do(chen, project_review.submit, project.id)
    making.clock.forward(hours=1)
    await library.do(chen, project_review.submit, project.id)
    with pytest.raises(Refusal, match="project_moved_on"):
        await library.do(chen, projects.discard, project.id)


async def test_a_reviewer_finds_reads_and_decides_at_the_desk(city: City) -> None:
    wang = await city.coordinator("王强", organisation="zs")
    chen = await city.volunteer("陈晓丽")
    library = Library(city.making)
    leader, reviewer = await city.person(chen), await city.person(wang)
    project = await library.submitted(leader)
    await library.approved(leader, reviewer, title="邻里食堂")
    piles = await library.do(reviewer, desk.today)
    assert [(pile.name, pile.count) for pile in piles] == [("projects", 1)]
    async with desk_of(city, wang) as seat:
        today = await seat.open("")
        assert "待评审的项目" in today.words and "银发相伴" in today.words
        found = await seat.open("/projects?q=邻里")
        assert "邻里食堂" in found.words
        found = await seat.open("/projects?state=submitted")
        assert "邻里食堂" not in found.words and "银发相伴" in found.words
        assert "没有找到" in (await seat.open("/projects?late=1")).words
        shown = await seat.open(f"/projects/{project.id}")
        assert "¥2,500.00" in shown.words and "每周上门陪伴一次" in shown.words
        said = await seat.send(f"/projects/{project.id}/comment", {"words": "请补充名单"})
        assert "请补充名单" in said.words
        path = f"/projects/{project.id}/decide"
        wrong = await seat.send(path, {"verdict": "refuse", "reason": ""})
        assert wrong.status == 400
        done = await seat.send(path, {"verdict": "approve", "reason": "好项目"})
        assert "已作出决定" in done.words and "已立项" in done.words
    await chen.sees("请补充名单")
    await chen.sees("好项目")
