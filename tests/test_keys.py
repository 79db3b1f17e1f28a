"""New keys while everything runs: what older ones wrote is read and found, then renewed."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import keys
from bot.doctoring import _old_keys as doctored
from bot.settings import SecuritySettings
from models import Person, RoleKind
from models import sealed as sealing
from models.sealed import (
    KEY_ID_BYTES,
    Keyring,
    UnknownKeyError,
    keyring,
    use_key_file,
    use_keyring,
)
from services import answer_links, codes, delivery, directory, feeds, resealing, signup, tokens
from services.errors import Refusal
from services.tokens import Scope
from services.work import Work
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.killable import killed_outright

STARTING = 60
"""Seconds at most that a process of its own takes to start beside other tests."""


# The keyring alone


@settings(max_examples=20)
@given(st.text(max_size=40), st.integers(1, 5))
def test_a_hash_is_renewed_without_the_value_and_found_under_all_keys(
    value: str, times: int
) -> None:
    first = newest = Keyring.fresh()
    kept = {first.fingerprint(value)}
    for _ in range(times):
        newest = newest.rotated()
        kept.add(newest.fingerprint(value))
    assert set(newest.fingerprints(value)) == kept
    assert {newest.renewed(one) for one in kept} == {newest.fingerprint(value)}
    assert all(len(one) == 64 for one in kept)
    assert newest.lasting(value) == first.fingerprint(value)


def test_what_was_sealed_is_opened_until_its_key_is_retired() -> None:
    old = Keyring.fresh()
    sealed = old.seal(b"13800138000")
    new = old.rotated()
    assert new.unseal(sealed) == b"13800138000"
    assert new.seal(b"")[:KEY_ID_BYTES] != sealed[:KEY_ID_BYTES]
    with pytest.raises(UnknownKeyError):
        new.retired().unseal(sealed)


def test_what_was_signed_holds_until_its_key_is_retired() -> None:
    old = Keyring.fresh()
    signature = old.sign("card:1", 12)
    new = old.rotated(signing=True)
    assert new.has_signed("card:1", 12, signature)
    assert new.sign("card:1", 12) != signature
    assert new.signed_first("card:1", 12) == signature
    assert not new.has_signed("card:2", 12, signature)
    assert not new.has_signed("card:1", 12, "ß" * 12)
    assert not new.retired(signing=True).has_signed("card:1", 12, signature)
    assert old.rotated().signing == old.signing  # paper bears them: only when asked


def test_a_key_file_of_before_is_read_and_replaced_at_once(tmp_path: Path) -> None:
    ring, path = Keyring.fresh(), tmp_path / "muster.keys"
    ring.write(path)
    one_each = re.sub(r"(hashing|signing) = \[(.*)\]", r"\1 = \2", path.read_text())
    path.write_text(one_each)
    assert Keyring.read(path) == ring
    ring.rotated().replace(path)
    assert Keyring.read(path).encryption[1:] == ring.encryption
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in tmp_path.iterdir()] == ["muster.keys"]


# In a city at work


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with the keys of the tests, which is looked at each time."""
    before = keyring()
    path = tmp_path / "muster.keys"
    before.write(path)
    monkeypatch.setattr(sealing, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(keys, "NOTICED", 0.0)
    use_key_file(path)
    yield path
    use_keyring(before)


@pytest.fixture
async def at_work(city: City, key_file: Path) -> AsyncIterator[City]:
    yield city


async def test_everything_goes_on_while_keys_are_rotated(at_work: City, key_file: Path) -> None:
    city = at_work
    li = await city.coordinator("李总", role=RoleKind.ADMINISTRATOR)
    chen = await city.volunteer("陈晓丽")
    phone = (await city.person(chen)).phone or ""
    home = (await city.person(li)).organisation_id or 0
    async with city.database.write() as session:
        person = await session.get_one(Person, (await city.person(li)).id)
        work = Work(session, city.clock(), city.policy, person)
        _, secret = await tokens.make(work, home, "省平台", [Scope.HOURS_READ], 30)
        feed = await feeds.renew_of_organisation(work, home)
        address = feed.secret
        private = delivery.Post("moving/moved_here", delivery.sealed({"name": "陈"}), kind="x")
        await delivery.tell(work, private, [person.id])
    link = answer_links.token(7, city.clock.at("2026-12-05 14:00"))
    printed = codes.printed(3)

    async def all_holds() -> None:
        async with city.database.write() as session:
            one = await session.get_one(Person, (await city.person(li)).id)
            work = Work(session, city.clock(), city.policy, one)
            assert (await tokens.present(work, secret)).token.organisation_id == home
            assert (await feeds.find(work, address)).organisation_id == home
            with pytest.raises(Refusal, match="signup_phone_known"):
                await signup.check_phone(work, phone)
            for typed in (phone, phone[-4:]):
                wanted = directory.Wanted(typed=typed)
                assert (await directory.page(work, wanted)).total == 1
        assert answer_links.read(link, city.clock()) == 7
        assert codes.is_printed(3, printed.rpartition("-")[2])
        assert (await city.person(chen)).phone == phone

    city_settings = city.settings().model_copy(
        update={"security": SecuritySettings(key_file=key_file)}
    )
    async with desk_of(city, li) as desk:
        assert (await desk.open("/settings")).status == 200
        await all_holds()
        for _ in range(2):
            before = keyring()
            keys.rotate(city_settings, signing=True)
            assert keyring().encryption[1:] == before.encryption
            await all_holds()
            found = await doctored(city.database)
            assert "keys renew" in found[0].text
            newcomer = await city.volunteer("新人")
            async with city.database.read() as session:
                assert await resealing.is_under_way(session)
            with pytest.raises(keys.KeysError):
                await keys.retire(city_settings, signing=False)
            assert await keys.renew(city_settings) > 0
            assert await keys.renew(city_settings) == 0
            async with city.database.read() as session:
                assert not await resealing.is_under_way(session)
            assert "retire" in (await doctored(city.database))[0].text
            await keys.retire(city_settings, signing=False)
            assert len(keyring().encryption) == 1
            assert await doctored(city.database) == []
            await all_holds()
            assert (await city.person(newcomer)).phone
            assert (await desk.send("/settings/look", {"look": "dark"})).status == 200


@ON_SQLITE
async def test_a_running_program_notices_new_keys_and_reads_on(
    database_url: str, tmp_path: Path
) -> None:
    """The commands beside a process of its own, which is never stopped."""
    async with killed_outright(database_url, tmp_path) as bot:
        assert (await bot.muster("init")).code == 0
        chen = bot.person("陈晓丽")
        bot.start()
        await chen.start()
        await chen.sees("我是集结", limit=STARTING)
        await chen.press("注册志愿者")
        await chen.sees("哪种语言")
        await chen.press("简体中文")
        await chen.sees("你同意吗")
        await chen.press("我同意")
        await chen.sees("你叫什么名字")
        await chen.say("陈晓丽")  # sealed with the first key
        await chen.sees("出生日期")
        for step in ("rotate", "renew", "retire"):
            done = await bot.muster("keys", step)
            assert done.code == 0, done.err
        after = Keyring.read(bot.muster.key_file)
        assert after.encryption != keyring().encryption
        assert len(after.encryption) == 1
        async with bot.database.engine.connect() as connection:
            kept = (await connection.exec_driver_sql("SELECT answers FROM conversation")).scalar()
        assert "陈晓丽" in json.loads(after.unseal(bytes(kept or b""))).values()
        await chen.say("1990-05-01")
        await chen.sees("吗？")
        await chen.press("对，没错")
        await chen.sees("哪个手机号")
