"""Sealing what must not be read out of a stolen database: AES-GCM at rest, keyed hashes to find.

Keys live outside the database, in a file that `muster init` writes. The first of each kind is used;
all of them open and find, so that a key is rotated by putting a new one in front, while all runs.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

NONCE_BYTES = 12
KEY_ID_BYTES = 4
KEY_BYTES = 32
HASH_LENGTH = 64
KINDS = ("encryption", "hashing", "signing")
MARK = "g"
"""Begins a hash by a newer key: no digit of the hashes by the first one."""
GENERATIONS = "0123456789abcdefghijklmnopqrstuvwxyz"
LOOK_SECONDS = 1.0
"""After which it is looked whether the key file has been replaced."""

log = logging.getLogger(__name__)


class UnknownKeyError(KeyError):
    """Something was sealed with a key that is not, or no more, in the key file."""


class KeyFileError(Exception):
    """The key file is missing or is not what `muster init` writes."""


@dataclass(frozen=True)
class Keyring:
    """The deployment's secrets, each kind the newest first; all of them still open and find.

    Encryption keys are retired once nothing is sealed with them any more. Hashing keys are a chain:
    a newer one hashes what the older ones gave, so what is kept is renewed without the values.
    """

    encryption: tuple[bytes, ...]
    hashing: tuple[bytes, ...]
    signing: tuple[bytes, ...]

    @classmethod
    def fresh(cls) -> "Keyring":
        return cls((_new_key(),), (_new_key(),), (_new_key(),))

    @classmethod
    def read(cls, path: Path) -> "Keyring":
        """Raises KeyFileError with what is wrong."""
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(*(_decoded(found[kind]) for kind in KINDS)).checked()
        except FileNotFoundError:
            raise KeyFileError(f"{path} does not exist") from None
        except OSError as fault:
            raise KeyFileError(f"{path} can't be read: {fault.strerror}") from None
        except (KeyError, TypeError, ValueError) as fault:
            raise KeyFileError(f"{path} is not a key file ({fault})") from None

    def checked(self) -> "Keyring":
        """Raises ValueError."""
        for keys in (self.encryption, self.hashing, self.signing):
            if not keys or any(len(key) != KEY_BYTES for key in keys):
                raise ValueError(f"each key has {KEY_BYTES} bytes")
        if len(self.hashing) > len(GENERATIONS):
            raise ValueError("hashing keys have been rotated too often")
        return self

    def rotated(self, *, signing: bool = False) -> "Keyring":
        """A new key in front of each kind; of `signing` only if asked, since paper bears those."""
        return Keyring(
            (_new_key(), *self.encryption),
            (_new_key(), *self.hashing),
            (_new_key(), *self.signing) if signing else self.signing,
        )

    def retired(self, *, signing: bool = False) -> "Keyring":
        """Without the encryption keys before the newest, and without those of signing if asked."""
        return Keyring(
            self.encryption[:1], self.hashing, self.signing[:1] if signing else self.signing
        )

    def write(self, path: Path) -> None:
        """Writes a new file that only its owner may read; never over an old one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(path, os.O_EXCL)

    def replace(self, path: Path) -> None:
        """Puts a new file in place of the old one, at once: who reads sees one or the other."""
        beside = path.with_name(f"{path.name}.new")
        self._write(beside, os.O_TRUNC)
        beside.replace(path)

    def _write(self, path: Path, how: int) -> None:
        lines = (f"{kind} = [{_quoted(getattr(self, kind))}]" for kind in KINDS)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())

    # Sealing

    def seal(self, plain: bytes) -> bytes:
        key = self.encryption[0]
        nonce = os.urandom(NONCE_BYTES)
        return key_id(key) + nonce + AESGCM(key).encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes) -> bytes:
        """Raises UnknownKeyError if the key that sealed it is not in the ring."""
        known, nonce = sealed[:KEY_ID_BYTES], sealed[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES]
        for key in self.encryption:
            if key_id(key) == known:
                return AESGCM(key).decrypt(nonce, sealed[KEY_ID_BYTES + NONCE_BYTES :], None)
        raise UnknownKeyError("sealed with a key that is not in the key file")

    # Finding

    @property
    def generation(self) -> str:
        """How a hash of the newest key begins; empty as long as there has been only one."""
        return _mark(len(self.hashing) - 1)

    def fingerprint(self, value: str) -> str:
        """A keyed hash by which an encrypted value can be found again: 64 characters."""
        return self.fingerprints(value)[0]

    def fingerprints(self, value: str) -> list[str]:
        """All by which it may be kept while hashes are being renewed, the newest first."""
        found: list[str] = []
        for number, key in enumerate(reversed(self.hashing)):
            found.append(_hashed(key, number, found[-1] if found else value))
        return found[::-1]

    def lasting(self, value: str) -> str:
        """By the oldest key, for what nobody could guess anyway and must be told again: a cookie,
        a key that another program chose.
        """
        return self.fingerprints(value)[-1]

    def renewed(self, kept: str) -> str:
        """What a kept hash becomes under the newest key."""
        begins_at = GENERATIONS.index(kept[1]) if kept.startswith(MARK) else 0
        for number in range(begins_at + 1, len(self.hashing)):
            kept = _hashed(self.hashing[-1 - number], number, kept)
        return kept

    # Signing

    def sign(self, text: str, length: int) -> str:
        """The first `length` characters of a signature that is safe in links, and has no dash."""
        return _signature(self.signing[0], text, length)

    def signed_first(self, text: str, length: int) -> str:
        """As `sign` by the oldest key, for what is derived again and must stay as it is."""
        return _signature(self.signing[-1], text, length)

    def has_signed(self, text: str, length: int, given: str) -> bool:
        """Whether `given` is the signature, by any key that has not been retired."""
        return any(
            hmac.compare_digest(_signature(key, text, length).encode(), given.encode())
            for key in self.signing
        )


def key_id(key: bytes) -> bytes:
    """By which what it sealed begins; says nothing of the key."""
    return hashlib.sha256(key).digest()[:KEY_ID_BYTES]


def _new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def _decoded(written: str | list[str]) -> tuple[bytes, ...]:
    keys = [written] if isinstance(written, str) else written
    return tuple(base64.b64decode(key, validate=True) for key in keys)


def _quoted(keys: tuple[bytes, ...]) -> str:
    return ", ".join(f'"{base64.b64encode(key).decode()}"' for key in keys)


def _mark(number: int) -> str:
    return f"{MARK}{GENERATIONS[number]}" if number else ""


def _hashed(key: bytes, number: int, value: str) -> str:
    digest = hmac.new(key, value.encode(), hashlib.sha256).hexdigest()
    return (_mark(number) + digest)[:HASH_LENGTH]


def _signature(key: bytes, text: str, length: int) -> str:
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest, altchars=b"__").decode()[:length]


class _Holder:
    """Where the running process keeps its keyring; column types have no other way to reach it."""

    ring: Keyring | None = None
    path: Path | None = None
    seen: tuple[int, int] | None = None
    """Inode and time of change of the file as it was read."""
    looked_at: float = 0.0


def use_keyring(ring: Keyring) -> None:
    _Holder.ring, _Holder.path, _Holder.seen = ring, None, None


def use_key_file(path: Path) -> None:
    """Reads the keys, and again whenever the file has been replaced. Raises KeyFileError."""
    _Holder.ring, _Holder.path, _Holder.seen = Keyring.read(path), path, _state_of(path)


def keyring() -> Keyring:
    """Raises RuntimeError before `use_keyring` or `use_key_file`."""
    if _Holder.path is not None and time.monotonic() - _Holder.looked_at >= LOOK_SECONDS:
        _look_again()
    if _Holder.ring is None:
        raise RuntimeError("no keyring: call use_keyring first")
    return _Holder.ring


def unseal(sealed: bytes) -> bytes:
    """The plain bytes, also of what another process has sealed with a key that is new here.

    Raises UnknownKeyError.
    """
    try:
        return keyring().unseal(sealed)
    except UnknownKeyError:
        if not _look_again():
            raise
        return keyring().unseal(sealed)


def _look_again() -> bool:
    """Whether other keys are used from now on. A file that can't be read changes nothing."""
    path = _Holder.path
    _Holder.looked_at = time.monotonic()
    if path is None or _state_of(path) in (None, _Holder.seen):
        return False
    seen = _state_of(path)
    try:
        ring = Keyring.read(path)
    except KeyFileError as fault:
        log.error("key file not read again: %s", fault)  # noqa: TRY400 - it says all
        return False
    changed = ring != _Holder.ring
    _Holder.ring, _Holder.seen = ring, seen
    return changed


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class Keyed(String):
    """A column of keyed hashes; found by `services.resealing`, which renews them."""

    def __init__(self, length: int = 64) -> None:
        super().__init__(length)


class SealedBytes(TypeDecorator[bytes]):
    """Bytes that are sealed already when they come, and are unsealed by who wants them."""

    impl = LargeBinary
    cache_ok = True


class Sealed(TypeDecorator[str]):
    """Text that is encrypted at rest."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring().seal(value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else unseal(value).decode()


class SealedDocument(TypeDecorator[dict[str, Any]]):
    """A JSON document that is encrypted at rest."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring().seal(json.dumps(value).encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(unseal(value))
