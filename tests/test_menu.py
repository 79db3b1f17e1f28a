"""Finding one's way: welcome, main menu, help, language, the coordinator's desk, first claim."""

from models import Organisation, RoleKind
from playground.phone import labels
from services import roles
from tests.city import City


async def test_a_stranger_is_welcomed_in_the_language_of_their_phone(city: City) -> None:
    chen = city.stranger("陈晓丽")
    await chen.start()
    await chen.sees("我是集结")
    smith = city.stranger("Smith", language_code="en")
    await smith.start()
    await smith.sees("I am Muster")


async def test_a_stranger_changes_the_language_with_two_presses(city: City) -> None:
    chen = city.stranger("陈晓丽")
    await chen.start()
    await chen.press("中文 / English")
    await chen.sees("哪种语言")
    await chen.press("English")
    await chen.sees("I am Muster")


async def test_a_volunteer_sees_the_main_menu_without_the_desk(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/menu")
    menu = await chen.sees("陈晓丽，你好")
    assert not any("管理工作台" in label for label in labels(menu))


async def test_a_coordinator_opens_the_desk(city: City) -> None:
    wang = await city.coordinator("王强")
    await wang.say("/menu")
    await wang.press("管理工作台")
    await wang.sees("都处理完了")


async def test_the_desk_is_closed_to_volunteers(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/desk")
    await chen.sees("没有这项操作的权限")


async def test_what_is_not_understood_leads_to_the_menu(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("今天天气不错")
    await chen.sees("没看懂")


async def test_the_first_administrator_claims_the_system_with_the_one_time_code(
    city: City,
) -> None:
    async with city.database.write() as session:
        work = city.making.work(session)
        federation = await city.making.organisation("zs")
        code = await roles.new_claim(work, federation.id)
    li = await city.volunteer("李敏")
    await li.open(f"https://t.me/muster_test_bot?start=claim-{code}")
    await li.sees("中山市志愿者联合会")
    thief = await city.volunteer("张三")
    await thief.open(f"https://t.me/muster_test_bot?start=claim-{code}")
    await thief.sees("代码不对，或者已经用过了")


async def test_an_administrator_gives_a_role_and_takes_it_away(city: City) -> None:
    li = await city.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    wang = await city.volunteer("王强")
    number = (await city.person(wang)).number
    await li.say("/roles")
    await li.press("任命")
    await li.say("shiqi")
    await li.press("石岐街道志愿服务协会")
    await li.say("ZS000000000")
    await li.sees("没有编号为")
    await li.say(str(number))
    await li.press("协调员")
    await li.press("确认任命")
    await li.sees("协调员: 王强")
    await city.settle()
    await wang.sees("你现在是石岐街道志愿服务协会的协调员")
    await wang.say("/desk")
    await wang.sees("管理工作台")
    await li.press("✖️ 协调员")
    await city.settle()
    await wang.sees("任期已结束")


async def test_a_coordinator_can_not_give_roles(city: City) -> None:
    wang = await city.coordinator("王强")
    shiqi: Organisation = await city.making.organisation("zs-shiqi")
    await wang.say("/menu")
    await wang.sees("王强")
    answer = await wang.press_data(f"roles.grant:{shiqi.id}")
    assert "没有这项操作的权限" in answer.text


async def test_commands_are_registered_by_role_and_language(city: City) -> None:
    wang = await city.coordinator("王强")
    async with city.database.write() as session:
        roles.menu_changed(session, wang.id)
    await wang.wait_until(lambda: (f"chat:{wang.id}", "") in city.bot.commands)
    own = dict(city.bot.commands[f"chat:{wang.id}", ""])
    everyone = dict(city.bot.commands["all_private_chats", "zh"])
    assert own["desk"] == "管理工作台" and "desk" not in everyone
    assert list(everyone)[:5] == ["menu", "foryou", "browse", "mine", "checkin"]
    assert dict(city.bot.commands["all_private_chats", ""])["menu"] == "Main menu"
