"""Sealing what must not be read out of a stolen database: AES-GCM at rest, keyed hashes to find.

Keys live outside the database, in a file that `muster init` writes. The first encryption key seals;
all of them open, so that a key is rotated by putting a new one in front.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

NONCE_BYTES = 12
KEY_ID_BYTES = 4
KEY_BYTES = 32


class KeyFileError(Exception):
    """The key file is missing or is not what `muster init` writes."""


@dataclass(frozen=True)
class Keyring:
    """The deployment's secrets: `encryption` newest first, one each for hashing and signing."""

    encryption: tuple[bytes, ...]
    hashing: bytes
    signing: bytes

    @classmethod
    def fresh(cls) -> "Keyring":
        return cls(
            (secrets.token_bytes(KEY_BYTES),),
            secrets.token_bytes(KEY_BYTES),
            secrets.token_bytes(KEY_BYTES),
        )

    @classmethod
    def read(cls, path: Path) -> "Keyring":
        """Raises KeyFileError with what is wrong."""
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(
                tuple(base64.b64decode(key, validate=True) for key in found["encryption"]),
                base64.b64decode(found["hashing"], validate=True),
                base64.b64decode(found["signing"], validate=True),
            ).checked()
        except FileNotFoundError:
            raise KeyFileError(f"{path} does not exist") from None
        except OSError as fault:
            raise KeyFileError(f"{path} can't be read: {fault.strerror}") from None
        except (KeyError, TypeError, ValueError) as fault:
            raise KeyFileError(f"{path} is not a key file ({fault})") from None

    def checked(self) -> "Keyring":
        if not self.encryption or any(
            len(key) != KEY_BYTES for key in (*self.encryption, self.hashing, self.signing)
        ):
            raise ValueError(f"each key has {KEY_BYTES} bytes")
        return self

    def write(self, path: Path) -> None:
        """Writes a new file that only its owner may read; never over an old one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        quoted = ", ".join(f'"{base64.b64encode(key).decode()}"' for key in self.encryption)
        lines = (
            f"encryption = [{quoted}]",
            f'hashing = "{base64.b64encode(self.hashing).decode()}"',
            f'signing = "{base64.b64encode(self.signing).decode()}"',
        )
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def seal(self, plain: bytes) -> bytes:
        key = self.encryption[0]
        nonce = os.urandom(NONCE_BYTES)
        return _key_id(key) + nonce + AESGCM(key).encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes) -> bytes:
        """Raises KeyError if the key that sealed it is no longer in the ring."""
        key_id, nonce = sealed[:KEY_ID_BYTES], sealed[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES]
        for key in self.encryption:
            if _key_id(key) == key_id:
                return AESGCM(key).decrypt(nonce, sealed[KEY_ID_BYTES + NONCE_BYTES :], None)
        raise KeyError("sealed with a key that is not in the key file")

    def fingerprint(self, value: str) -> str:
        """A keyed hash by which an encrypted value can be found again."""
        return hmac.new(self.hashing, value.encode(), hashlib.sha256).hexdigest()

    def sign(self, text: str, length: int) -> str:
        """The first `length` characters of a signature that is safe in links, and has no dash."""
        digest = hmac.new(self.signing, text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest, altchars=b"__").decode()[:length]


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:KEY_ID_BYTES]


class _Holder:
    """Where the running process keeps its keyring; column types have no other way to reach it."""

    ring: Keyring | None = None


def use_keyring(ring: Keyring) -> None:
    _Holder.ring = ring


def keyring() -> Keyring:
    """Raises RuntimeError before `use_keyring`."""
    if _Holder.ring is None:
        raise RuntimeError("no keyring: call use_keyring first")
    return _Holder.ring


class Sealed(TypeDecorator[str]):
    """Text that is encrypted at rest."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring().seal(value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring().unseal(value).decode()


class SealedDocument(TypeDecorator[dict[str, Any]]):
    """A JSON document that is encrypted at rest."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring().seal(json.dumps(value).encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(keyring().unseal(value))
