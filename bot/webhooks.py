"""The engine for webhooks: carries events to other programs, as `services.webhooks` says.

Wherever a name leads is looked at when it is connected to, so that no address of the own network is
reached by one that somebody else chose; no redirect is followed.
"""

import asyncio
import ipaddress
import logging
import random
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from sqlalchemy.ext.asyncio import AsyncSession

from handlers.dispatch import Clock
from models import Database
from services import events, webhooks
from services.policy import Policy
from services.webhooks import Letter, Outcome
from services.work import Work

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Sends under way at the same time."""
AT_ONCE_EACH = 4
"""Of one webhook, so that one that hangs holds up no other for long."""
LOOKS_EVERY = 5.0
"""Seconds; what is due again is looked for so often at least."""
TIMEOUT = aiohttp.ClientTimeout(total=20, connect=10)
PATIENCE = 2.0
"""Seconds that answers are waited for when the program stops."""
READ_AT_MOST = 800
"""Bytes of an answer."""
USER_AGENT = "Muster-Webhooks/1"
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """A webhook leads into the own network."""


def is_public(address: str) -> bool:
    """Whether anybody on the internet could reach it; addresses within addresses count as such."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


def open_socket(info: tuple[Any, ...]) -> socket.socket:
    """For a connection to an address that has been looked up. Raises PrivateAddressError."""
    family, kind, protocol, _, where = info
    if not is_public(str(where[0])):
        raise PrivateAddressError("leads into the own network")
    opened = socket.socket(family=family, type=kind, proto=protocol)
    opened.setblocking(False)
    return opened


class Webhooks:
    """`recover`, then `run` carries events until `stop`."""

    def __init__(self, *, database: Database, policy: Policy, clock: Clock, private: bool) -> None:
        self.database = database
        self.policy = policy
        self.clock = clock
        self.private = private
        self._under_way: set[asyncio.Task[None]] = set()
        self._taken: Counter[int] = Counter()
        """How many each webhook has under way."""
        self._done: list[tuple[Letter, Outcome]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._session: aiohttp.ClientSession | None = None
        self.on_attempt: Callable[[bool], object] = lambda _: None
        """Called with whether the receiver took an event."""

    def notice(self, info: Mapping[str, Any]) -> None:
        """A listener of commits."""
        if info.get(events.NOTED):
            self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def recover(self) -> None:
        """What was on its way at the last stop goes out again."""
        async with self.database.write() as session:
            resent = await webhooks.release(session)
        if resent:
            log.warning("%d events were on their way at the last stop", resent)

    async def run(self) -> None:
        await self.recover()
        while not self._stopping:
            self._wake.clear()
            try:
                await self._step()
            except Exception:  # everything else goes on meanwhile, and it is tried again
                log.exception("webhooks failed")
            await self._rest()
        await self._break_off()
        await self._close()
        self._stopping = False

    async def turn(self) -> None:
        """Sends what is due now, and waits until it is written down."""
        while await self._step():
            await self._land()
        await self._close()

    async def _step(self) -> int:
        """Writes down what is done, and begins what is due; answers how many."""
        done = list(self._done)
        room = AT_ONCE - len(self._under_way)
        now = self.clock()
        if not done:
            async with self.database.read() as session:
                if room <= 0 or not await webhooks.is_due(session, now):
                    return 0
        under_way = self._taken - Counter(letter.webhook_id for letter, _ in done)
        async with self.database.write() as session:
            await self._record(session, done)
            letters = await webhooks.claim(session, now, room, AT_ONCE_EACH, dict(under_way))
        self._put_down(done)
        for letter in letters:
            self._begin(letter)
        return len(letters)

    async def _record(self, session: AsyncSession, done: list[tuple[Letter, Outcome]]) -> None:
        work = Work(session, self.clock(), self.policy)
        for _, outcome in done:
            await webhooks.record(work, outcome, random.random())  # noqa: S311 - only spreads load

    def _put_down(self, done: list[tuple[Letter, Outcome]]) -> None:
        del self._done[: len(done)]
        self._taken.subtract(letter.webhook_id for letter, _ in done)
        self._taken += Counter()

    async def _land(self) -> None:
        """Waits for what is under way, and writes it down."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        if done := list(self._done):
            async with self.database.write() as session:
                await self._record(session, done)
            self._put_down(done)

    async def _break_off(self) -> None:
        """Waits for a moment; what is not answered by then goes out again after the next start."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=PATIENCE)
        for task in self._under_way:
            task.cancel()
        await self._land()

    async def _close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=LOOKS_EVERY)
        except TimeoutError:
            return

    # Sending

    def _begin(self, letter: Letter) -> None:
        self._taken[letter.webhook_id] += 1
        task = asyncio.create_task(self._send(letter), name=f"webhook {letter.dispatch_id}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, letter: Letter) -> None:
        status, answer = await self._try(letter)
        outcome = Outcome(letter.dispatch_id, status, answer)
        self.on_attempt(outcome.taken)
        if not outcome.taken:
            fields = {"webhook_id": letter.webhook_id, "attempt": letter.attempts}
            log.info("webhook not taken: %s", status or answer, extra=fields)
        self._done.append((letter, outcome))
        self._wake.set()

    async def _try(self, letter: Letter) -> tuple[int | None, str]:
        """The status and the beginning of the answer, or None and the kind of fault.

        What a fault says may hold the address, which may hold a secret.
        """
        headers = {**letter.headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        try:
            async with self._client().post(
                letter.url, data=letter.body, headers=headers, allow_redirects=False
            ) as response:
                answer = await response.content.read(READ_AT_MOST)
                return response.status, answer.decode(errors="replace")
        except Exception as fault:
            return None, _kind_of(fault)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=AT_ONCE,
                socket_factory=None if self.private else open_socket,
                force_close=True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=TIMEOUT, auto_decompress=False
            )
        return self._session


def _kind_of(fault: BaseException) -> str:
    """The name of what lies at the bottom."""
    if isinstance(fault, aiohttp.ClientConnectorError) and isinstance(
        fault.os_error, PrivateAddressError
    ):
        return type(fault.os_error).__name__
    return type(fault).__name__
