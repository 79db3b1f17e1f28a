"""After a call-out: what its report says, on which ways it comes, and who may read it."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from pypdf import PdfReader
from sqlalchemy import delete, update

from models import Callout, Role, RoleKind
from services import curves, origins, typesetting
from services.origins import Home
from services.policy import Policy
from services.words import TEMPLATES, Words
from tests.browser import DESKTOP, PHONE, blank, browser, visit
from tests.city import City
from tests.emergencies import RALLY, Emergency

HOSTILE = '#include "/etc/passwd" $x^2$ *粗* _斜_ <script>alert(1)</script> & \\ @preview 骨直'


@pytest.fixture
async def emergency(city: City) -> Emergency:
    return await Emergency(city).prepare()


@pytest.fixture
async def web(city: City) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{city.program.web_port}",
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"Accept-Language": "zh-CN"},
    ) as session:
        yield session


async def over(emergency: Emergency, **how: object) -> None:
    """Three asked, two wanted and there, all home; the third never answered."""
    li, wang, _ = await emergency.crowd(3)
    await emergency.declare(quota="2", **how)
    await emergency.on_scene(li)
    await emergency.city.forward(minutes=20)
    await emergency.on_scene(wang)
    await emergency.city.forward(minutes=40)
    await emergency.end()
    for phone in (li, wang):
        await phone.press("我已平安到家")
        await phone.sees("到家我们就放心")


async def link(emergency: Emergency) -> str:
    """The path of a fresh link to the report."""
    await emergency.zhou.press("总结")
    await emergency.zhou.press("网页版")
    shown = await emergency.zhou.sees("请在 10 分钟内")
    found = re.search(r"/report/open/[\w-]+", shown.words)
    assert found
    return found.group()


async def test_try(emergency: Emergency) -> None:
    await over(emergency)
    await emergency.city.settle()
    print(emergency.zhou.messages[-1].words)
    await emergency.zhou.press("总结")
    r = await emergency.zhou.sees("召集总结")
    print(r.words)
    await emergency.zhou.press("PDF")
    s = await emergency.zhou.sees("存档")
    open("/tmp/rep/x.pdf", "wb").write(s.document.content)
    await emergency.zhou.press("总结")
    await emergency.zhou.press("谁没有应答")
    print((await emergency.zhou.sees("谁没有应答")).words)
    print(await link(emergency))
