"""A strict little Telegram with a bot and a person who has pressed Start."""

from collections.abc import AsyncIterator

import pytest

from playground import Playground
from tests.playground.caller import Caller, calling
from tests.times import ManualClock


@pytest.fixture
async def caller(clock: ManualClock) -> AsyncIterator[Caller]:
    async with calling(Playground(clock=clock)) as made:
        await made.chen.start()
        yield made
