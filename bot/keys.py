"""`muster keys`: new keys while everything runs, renewing what older ones wrote, retiring these."""

import asyncio
import time
from dataclasses import dataclass

from bot import schema
from bot.settings import Settings
from models.sealed import LOOK_SECONDS, Keyring, key_id, keyring
from services import resealing
from services.resealing import Found, Progress

NOTICED = 3 * LOOK_SECONDS
"""Seconds after which every running process writes with the new keys."""
PASSES = 3
"""Over everything; a second one finds what was written while the first one went."""


class KeysError(Exception):
    """Why it can't be done, in one line."""


@dataclass(frozen=True, slots=True)
class State:
    """What the key file holds, and by which keys all is kept."""

    ring: Keyring
    found: Found

    @property
    def old(self) -> int:
        return self.found.old(self.ring)

    @property
    def unknown(self) -> int:
        """What nobody can read with these keys."""
        known = {key_id(key).hex() for key in self.ring.encryption}
        return sum(number for name, number in self.found.sealed.items() if name not in known)


def rotate(settings: Settings, *, signing: bool) -> None:
    """Puts a new key in front of each kind. Running processes use them within a second."""
    keyring().rotated(signing=signing).replace(settings.security.key_file)


async def state(settings: Settings) -> State:
    """Raises DatabaseUnreachableError."""
    async with schema.opened(settings.database.url) as database, database.read() as session:
        return State(keyring(), await resealing.count(session))


async def renew(settings: Settings, progress: Progress | None = None) -> int:
    """Renews all that older keys wrote, answers how many rows. Raises DatabaseUnreachableError,
    KeysError where some of it can't be read.
    """
    age = time.time() - settings.security.key_file.stat().st_mtime
    await asyncio.sleep(max(0.0, NOTICED - age))
    changed = 0
    async with schema.opened(settings.database.url) as database:
        for _ in range(PASSES):
            try:
                renewed = await resealing.renew(database, progress)
            except KeyError as fault:
                raise KeysError(f"some of it can't be read: {fault.args[0]}") from None
            changed += renewed
            if not renewed:
                break
    return changed


async def retire(settings: Settings, *, signing: bool) -> None:
    """Takes the older encryption keys out of the file. Raises KeysError while they are needed."""
    now = await state(settings)
    if now.old:
        raise KeysError(f"{now.old} values are still of older keys; first `muster keys renew`")
    now.ring.retired(signing=signing).replace(settings.security.key_file)
