"""A project is evaluated by its leader, by those whom it served and by reviewers, then closed."""

import re
from typing import Any

import aiohttp
import pytest

from models import ProjectState, ProjectVoice, RoleKind
from services import project_evaluation, projects
from services.errors import Gone, NotAllowed, Refusal
from services.policy import Policy
from services.project_evaluation import Opinion, Outcome
from tests.city import City, Phone
from tests.consoles import desk_of
from tests.making import Making
from tests.proposing import Library, open_project
from web.evaluating import ANSWERS, COOKIE


async def score(phone: Phone, *numbers: int) -> None:
    await phone.press("我来打分")
    for number in numbers:
        await phone.sees("完成得怎么样")
        await phone.press(str(number))


async def path_of(phone: Phone) -> str:
    shown = await phone.sees("/evaluate/")
    found = re.search(r"/evaluate/[\w-]+", shown.words)
    assert found
    return found.group()


def answers(text: str, number: int) -> dict[str, str]:
    """A number for each question of the page."""
    return {name: str(number) for name in set(re.findall(r'name="(i\d+)"', text))}


def browser(city: City) -> aiohttp.ClientSession:
    """A fresh one, with cookies of its own."""
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{city.program.web_port}",
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"Accept-Language": "zh-CN"},
    )


async def sent(session: aiohttp.ClientSession, path: str, number: int, **more: str) -> Any:
    """A recipient opens the page and answers."""
    async with session.get(path) as page:
        text = await page.text()
    async with session.post(path, data={**answers(text, number), **more}) as answer:
        return answer.status, await answer.text()


async def test_leader_recipients_and_reviewer_score_it_and_it_is_completed(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    wang = await city.coordinator("王强", organisation="zs")
    library = Library(city.making)
    project = await library.running(await city.person(chen), await city.person(wang))
    await open_project(chen, project)
    await chen.press("结束实施，开始评估")
    await chen.sees("进入评估吗")
    await chen.press("结束实施，开始评估")
    await chen.sees("评估开始了")
    await wang.sees("实施结束，进入评估")
    await score(chen, 5, 4)
    await chen.sees("用文字说说")
    await chen.say("六十位老人有了固定的陪伴。")
    await chen.press("保存")
    await chen.sees("你的打分已记下")
    await chen.press("服务对象评价码")
    link = await path_of(chen)
    assert any(m.photo is not None for m in chen.messages)
    async with browser(city) as first, browser(city) as second, browser(city) as third:
        assert (await sent(first, link, 5, words="志愿者很耐心"))[0] == 200
        status, text = await sent(first, link, 1)
        assert status == 410 and "已经评价过了" in text
        assert (await sent(second, link, 3))[0] == 200
        async with third.get(link) as page:
            keys = answers(await page.text(), 5)
        some = dict(list(keys.items())[:1])
        async with third.post(link, data=some) as answer:
            assert answer.status == 400 and "每一项" in await answer.text()
        async with third.get(link[:-1] + "x") as answer:
            assert answer.status == 410
    async with browser(city) as bare, bare.post(link, data=keys) as answer:
        assert answer.status == 410
    async with browser(city) as anybody, anybody.get(f"/projects/{project.code}") as answer:
        assert "六十位老人" not in await answer.text()
    await wang.press("评估")
    await wang.sees("“银发相伴”的评估")
    refused = await wang.press("结项")
    assert refused is not None and "还没有评审打分" in refused.text
    async with desk_of(city, wang) as seat:
        page = await seat.open(f"/projects/{project.id}")
        assert "志愿者很耐心" in page.words
        keys = answers(page.text, 4)
        again = await seat.send(f"/projects/{project.id}/evaluate", {**keys, "evaluation": "扎实"})
        assert "加权平均" in again.words
        done = await seat.send(f"/projects/{project.id}/close")
        assert "已结项" in done.words
    await chen.sees("已经结项")
    closed = await library.now(project)
    assert closed.state is ProjectState.CLOSED and closed.results == "六十位老人有了固定的陪伴。"
    async with city.database.read() as session:
        work = city.making.work(session)
        outcome = await project_evaluation.outcome(work, project.id)
        mine = outcome.voices[ProjectVoice.LEADER]
        assert round(mine.score, 2) == 4.67  # 5 counts double, 4 once
        assert outcome.voices[ProjectVoice.RECIPIENT] == Opinion(
            2, dict.fromkeys(mine.scores, 4.0), 4.0
        )
        total = outcome.score(project_evaluation.shares(work))
        assert total is not None and round(total, 3) == 4.133
    async with browser(city) as late, late.get(link) as answer:
        assert "不在评估期" in await answer.text()


async def test_a_personal_link_takes_one_answer_whatever_the_browser(making: Making) -> None:
    library = Library(making)
    chen = await making.volunteer("陈晓丽")
    wang = await making.coordinator("王强", organisation="zs")
    project = await library.evaluating(chen, wang)
    link = project_evaluation.personal_link(project.id)
    other = project_evaluation.personal_link(project.id)
    scores = {one.id: 5 for one in await library.indicators(project)}
    give = project_evaluation.answer
    await library.do(chen, give, link, "a", scores, "")
    with pytest.raises(Refusal, match="project_evaluated_already"):
        await library.do(chen, give, link, "b", scores, "")
    await library.do(chen, give, other, "a", scores, "")
    for forged in (f"{project.id}-{link.split('-')[1]}-{'x' * 20}", "1", "", "x-y", "1-"):
        with pytest.raises(Gone):
            project_evaluation.read(forged)
    with pytest.raises(Gone):
        await library.do(chen, give, project_evaluation.link(project.id), "c", {999: 5}, "")
    gu = await making.coordinator("古月")
    with pytest.raises(NotAllowed):
        await library.do(gu, project_evaluation.evaluate, project.id, scores, "不错")


async def test_a_flood_of_answers_is_slowed_by_address(city: City) -> None:
    library = Library(city.making)
    chen = await city.making.volunteer("陈晓丽")
    wang = await city.making.coordinator("王强", organisation="zs")
    project = await library.evaluating(chen, wang)
    path = f"/evaluate/{project_evaluation.link(project.id)}"
    async with browser(city) as session:
        async with session.get(path) as page:
            keys = answers(await page.text(), 5)
        session.cookie_jar.clear()
        session.cookie_jar.update_cookies({COOKIE: "made-up.signature"})
        for _ in range(ANSWERS.most):
            async with session.post(path, data=keys) as answer:
                assert answer.status == 410
        async with session.post(path, data={}) as answer:
            assert answer.status == 429


def test_the_score_is_the_mean_of_the_voices_by_their_shares() -> None:
    policy = Policy()
    shares = {
        ProjectVoice.LEADER: policy.project_leader_share,
        ProjectVoice.RECIPIENT: policy.project_recipients_share,
        ProjectVoice.REVIEWER: policy.project_reviewers_share,
    }
    leader, people = Opinion(1, {}, 5.0), Opinion(1000, {}, 2.0)
    assert Outcome().score(shares) is None
    assert Outcome({ProjectVoice.LEADER: leader}).score(shares) == 5.0
    both = Outcome({ProjectVoice.LEADER: leader, ProjectVoice.RECIPIENT: people})
    assert both.score(shares) == pytest.approx(3.0)
    assert project_evaluation.weighted({1: 5.0, 2: 2.0}, {1: 2, 2: 1}) == pytest.approx(4.0)


async def test_whoever_reviewed_and_then_leads_is_one_voice(making: Making) -> None:
    library = Library(making)
    leader = await making.volunteer()
    reviewer = await making.coordinator("王强", organisation="zs", role=RoleKind.ADMINISTRATOR)
    project = await library.evaluating(leader, reviewer)
    scores = {one.id: 5 for one in await library.indicators(project)}
    await library.do(reviewer, project_evaluation.evaluate, project.id, scores, "做得很好")
    await library.do(reviewer, projects.take_lead, project.id)
    await library.do(reviewer, project_evaluation.evaluate, project.id, scores, "六十位老人笑了。")
    async with making.database.read() as session:
        outcome = await project_evaluation.outcome(making.work(session), project.id)
        assert set(outcome.voices) == {ProjectVoice.LEADER}
