"""Whatever comes from Telegram: an answer or none, never an exception, nothing corrupted.

A few hundred updates here; `make fuzz` sends 100,000.
"""

from models import RoleKind
from tests.city import City
from tests.databases import ON_SQLITE
from tests.fuzzing import fuzz, watched

SEED, COUNT = 1, 300


@ON_SQLITE
async def test_random_updates_raise_nothing_and_leave_all_in_order(city: City) -> None:
    outcome = await fuzz(city, SEED, COUNT)
    assert outcome.faults == []
    assert outcome.wrong == []
    assert outcome.unreadable < COUNT / 3  # most of what is sent is looked at


PRESSED = ("team.call:999999",)
"""By somebody who commands, and may do more than others."""
PHONE = 700_000_777
CHAT = {"id": PHONE, "type": "private"}
SENDER = {"id": PHONE, "is_bot": False, "first_name": "x"}
MEMBER = {"user": SENDER, "status": "member"}
CAME = (
    {"my_chat_member": {"chat": CHAT, "from": SENDER, "date": 1, "old_chat_member": MEMBER,
                        "new_chat_member": None}},
    {"message": {"message_id": 1, "date": 1, "chat": CHAT, "from": SENDER, "text": "\ud800\0"}},
    {"callback_query": {"id": "", "from": SENDER, "chat_instance": "1", "data": "menu"}},
    {"channel_post": {"message_id": 1, "date": 1, "chat": {"id": {"id": 1}, "type": "channel"}}},
    {"message": {"message_id": 1, "date": 1, "chat": {"id": -5, "type": "group"}, "from": SENDER,
                 "text": "/bind x"}},
)  # fmt: skip


@ON_SQLITE
async def test_what_random_updates_have_found_stays_mended(city: City) -> None:
    zhou = await city.coordinator("周明", role=RoleKind.COMMANDER)
    await zhou.say("/menu")
    screen = await zhou.sees("今天想做点什么")
    with watched() as faults:
        for number, raw in enumerate(CAME, 10**8):
            await city.program.line.intake.take([{"update_id": number, **raw}])
        for data in PRESSED:
            await zhou.press_data(data, screen.id)
        await city.answered()
    assert faults.found == []
