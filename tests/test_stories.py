"""Stories: told in chat with photos, looked at, published, read by anybody, taken back."""

import aiohttp
import pytest
from sqlalchemy import select

from models import Credit, Enclosure, Message, Person, RoleKind, Story, StoryState
from playground.phone import Phone
from services import groups, personal_data, stories
from services.errors import NotAllowed, Refusal
from tests.browser import PHONE, blank, browser, visit
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.making import Making
from tests.pictures import photo
from tests.test_enrolment import said as heard

TITLE = "雨里的那把伞"
TEXT = "那天雨很大，路口积了水。我们站成一排，把放学的孩子一个个送过马路。"


async def tell(city: City, phone: Phone, photos: int = 2) -> None:
    """Chen's story, as far as the summary."""
    await phone.say("/stories")
    await phone.press("写故事")
    await phone.say(TITLE)
    await phone.sees("写写你的故事")
    await phone.say(TEXT)
    for count in range(1, photos + 1):
        await phone.sees("发照片")
        await phone.send_photo(photo())
        await phone.sees(f"已收到 {count} 张照片")
    await phone.press("接着填")
    await phone.press("只写姓")
    await phone.sees("发布后是这个样子")


async def story_of(city: City) -> Story:
    async with city.database.read() as session:
        return (await session.scalars(select(Story))).one()


async def channel(city: City, owner: Phone) -> Phone:
    """The town's group, as its coordinator sees it."""
    group = city.telegram.add_group("石岐志愿者", [owner])
    in_group = owner.in_chat(group)
    city.telegram.world.join(group, city.bot, "member", owner.person)
    await in_group.sees("大家好")
    home = (await city.person(owner)).organisation_id
    await in_group.say(f"/bind {groups.binding_code(home or 0)}")
    await in_group.sees("本群现在会收到")
    return in_group


async def test_a_story_with_photos_is_told_published_read_by_anybody_and_taken_back(
    city: City, web: aiohttp.ClientSession
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    in_group = await channel(city, wang)
    await tell(city, chen)
    await chen.press("投稿")
    await chen.sees("《雨里的那把伞》已收到")
    await wang.sees("陈晓丽投来一篇故事")
    await wang.press("看一看")
    review = await wang.sees("陈**")
    assert review.photo is not None and TEXT in review.words
    await wang.press("其他照片")
    await wang.sees("2 / 2")
    await wang.press("✅ 发布")
    await wang.press("▫️ 石岐志愿者")
    await wang.press("☑️ 石岐志愿者")
    await wang.press("▫️ 石岐志愿者")
    await wang.press("立即发布")
    await chen.sees("你的故事《雨里的那把伞》发布了")
    await city.settle()
    assert (await in_group.sees(TITLE)).photo is not None
    await city.program.fetching.turn()

    story = await story_of(city)
    async with web.get("/stories") as answer:
        assert story.code in await answer.text()
    async with web.get(f"/stories/{story.code}") as answer:
        page = await answer.text()
        assert answer.headers["X-Robots-Tag"] == "noindex"
    assert TEXT in page and "陈**" in page and "陈晓丽" not in page
    async with city.database.read() as session:
        keys = list(await session.scalars(select(Enclosure.id).order_by(Enclosure.id)))
    async with web.get(f"/stories/{story.code}/{keys[0]}.jpg") as answer:
        assert answer.content_type == "image/jpeg" and (await answer.read())[:2] == b"\xff\xd8"

    await chen.press("我的故事")
    await chen.press(f"📖 {TITLE}")
    await chen.press("撤下")
    await chen.press("是的，撤下")
    await chen.sees("你还没有写过故事")
    await city.catch_up()
    for path in (f"/stories/{story.code}", f"/stories/{story.code}/{keys[0]}.jpg"):
        async with web.get(path) as answer:
            assert answer.status == 404
    assert not any(TITLE in message.words for message in in_group.messages)


async def test_a_story_is_sent_back_and_told_anew(city: City) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    await tell(city, chen, photos=1)
    await chen.press("投稿")
    await wang.press("看一看")
    await wang.press("请作者修改")
    await wang.say("请写写孩子们说了什么。")
    await chen.sees("请写写孩子们说了什么。")
    await chen.press("✏️ 修改")
    await chen.sees(TEXT)
    await chen.press("✏️ 正文")
    await chen.say(TEXT + "孩子们说：谢谢叔叔阿姨！")
    await chen.sees("谢谢叔叔阿姨")
    await chen.press("投稿")
    await chen.sees("已收到")
    found = await story_of(city)
    assert found.state is StoryState.SUBMITTED and found.text.endswith("阿姨！")


class Told:
    def __init__(self, making: Making) -> None:
        self.making = making

    async def act(self, who: Person, verb: object, *given: object) -> object:
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, who.id))
            return await verb(work, *given)  # type: ignore[operator]


async def test_only_coordinators_of_the_authors_town_decide_and_only_once(making: Making) -> None:
    told = Told(making)
    chen = await making.volunteer("陈晓丽")
    wang, li = await making.coordinator("王强"), await making.coordinator("李敏")
    far = await making.coordinator("何小榄", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR)
    said = stories.Told(TITLE, TEXT, Credit.NAME)
    story = await told.act(chen, stories.submit, said)
    assert isinstance(story, Story)
    for who in (chen, far):
        with pytest.raises(NotAllowed):
            await told.act(who, stories.publish, story.id, "https://example.org")
    await told.act(wang, stories.publish, story.id, "https://example.org")
    with pytest.raises(Refusal, match="story_decided"):
        await told.act(li, stories.decline, story.id, "不合适")
    own = await told.act(wang, stories.submit, said)
    assert isinstance(own, Story)
    with pytest.raises(NotAllowed):
        await told.act(wang, stories.publish, own.id, "https://example.org")
    await told.act(chen, stories.submit, said)
    await told.act(chen, stories.submit, said)
    await told.act(chen, stories.submit, said)
    with pytest.raises(Refusal, match="stories_waiting"):
        await told.act(chen, stories.submit, said)


async def test_an_author_hears_that_a_coordinator_took_a_story_down(making: Making) -> None:
    told = Told(making)
    chen, wang = await making.volunteer("陈晓丽"), await making.coordinator("王强")
    story = await told.act(chen, stories.submit, stories.Told(TITLE, TEXT, Credit.NAME))
    assert isinstance(story, Story)
    await told.act(wang, stories.take_back, story.id)
    assert await heard(making.database, chen) == ["stories/taken_down"]
    again = await told.act(chen, stories.submit, stories.Told(TITLE, TEXT, Credit.NAME))
    assert isinstance(again, Story)
    await told.act(chen, stories.take_back, again.id)
    assert await heard(making.database, chen) == ["stories/taken_down"]
    async with making.database.read() as session:
        over = select(Message.id).where(Message.template == "stories/withdrawn")
        assert len((await session.scalars(over)).all()) == 2, "who was asked has nothing to do"


async def test_erasing_ones_data_takes_the_stories_with_it(making: Making) -> None:
    told = Told(making)
    chen, wang = await making.volunteer("陈晓丽"), await making.coordinator("王强")
    story = await told.act(chen, stories.submit, stories.Told(TITLE, TEXT, Credit.NAME, ["x"]))
    assert isinstance(story, Story)
    await told.act(wang, stories.publish, story.id, "https://example.org")
    await told.act(chen, personal_data.forget)
    async with making.database.read() as session:
        left = await session.get_one(Story, story.id)
        assert (left.state, left.title, left.text, left.signed) == (
            StoryState.TAKEN_BACK, "", "", "",
        )  # fmt: skip
        assert await session.scalar(select(Enclosure.id)) is None


@ON_SQLITE
async def test_a_coordinator_publishes_at_the_desk_and_the_page_is_fit_for_a_phone(
    city: City,
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    await channel(city, wang)
    await tell(city, chen)
    await chen.press("投稿")
    await chen.sees("已收到")
    await city.program.fetching.turn()
    story = await story_of(city)
    async with desk_of(city, wang) as desk:
        assert TITLE in (await desk.open("/stories?state=submitted")).words
        shown = await desk.open(f"/stories/{story.id}")
        assert TEXT in shown.words and "石岐志愿者" in shown.words
        refused = await desk.send(f"/stories/{story.id}/decline", {"reason": ""})
        assert refused.status == 400
        await desk.send(f"/stories/{story.id}/publish")
    base = f"http://127.0.0.1:{city.program.web_port}"
    path = f"{base}/stories"
    async with browser() as running, blank(running) as page, visit(page, path, PHONE):
        await page.get_by_role("link", name=TITLE).click()
        await page.get_by_role("heading", name=TITLE).wait_for()
        for picture in await page.locator("img").all():
            await picture.scroll_into_view_if_needed()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        await page.wait_for_function("[...document.images].every(one => one.naturalWidth === 64)")
