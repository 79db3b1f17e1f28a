"""Whether a paper is genuine: the code behind its QR code, and what anyone may learn by it.

A code is drawn by chance and kept as a keyed hash, so that none can be guessed or counted through;
what is no code, and what is none of ours, are the same. What it says of the holder is masked.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import case, func, select

from models import (
    Certificate,
    CertificateLine,
    CertificateState,
    LedgerEntry,
    Organisation,
)
from models.sealed import keyring
from services.work import Work

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is taken for a digit."""
SLIPS = str.maketrans("OIL", "011")
CODE_LENGTH = 24
"""120 bits."""
GROUP = 4


class Verdict(StrEnum):
    GENUINE = "genuine"
    REVOKED = "revoked"
    REPLACED = "replaced"
    ERASED = "erased"
    """Its holder had their data erased, so it can't be said what it certified."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Present:
    """What the ledger says now of what a certificate counts; `changed_at` if that is different."""

    minutes: int
    changed_at: datetime | None


NOTHING = Present(0, None)


# Codes


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def grouped(code: str) -> str:
    """As it is printed, to be typed by hand: K7QF-9M2T-..."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def read(typed: str) -> str:
    """The code as it was drawn, however it was typed."""
    return "".join(c for c in typed.upper().translate(SLIPS) if c in ALPHABET)


def fingerprint(code: str) -> str:
    return fingerprints(code)[0]


def fingerprints(code: str) -> list[str]:
    """By which it may be kept."""
    return keyring().fingerprints(f"certificate:{code}")


# What it says


async def look(work: Work, typed: str) -> dict[str, Any]:
    """All that the page shows: {"verdict": ...} and, but for an unknown code, what it certifies."""
    row = (
        await work.session.execute(
            select(Certificate, Organisation.names)
            .join(Organisation, Organisation.id == Certificate.organisation_id)
            .where(Certificate.code_hash.in_(fingerprints(read(typed))))
        )
    ).one_or_none()
    if row is None:
        return {"verdict": Verdict.UNKNOWN.value}
    certificate, body = row
    content = certificate.content
    if content is None:
        return {
            "verdict": Verdict.ERASED.value,
            "erased_at": certificate.erased_at,
            "number": certificate.number,
            "body": body,
        }
    return {
        "verdict": _verdict(certificate).value,
        "kind": certificate.kind.value,
        "number": certificate.number,
        "version": certificate.version,
        "body": content["body"]["names"],
        "issued_at": certificate.issued_at,
        "name": masked_name(content["person"]["name"]),
        "id_kind": content["person"]["id_kind"],
        "id_number": masked_number(content["person"]["id_number"]),
        "volunteer_number": masked_number(content["person"]["number"]),
        "about": content["about"],
        "minutes": content["minutes"],
        "times": content["times"],
        "fields": content["fields"],
        "award": content.get("award"),
        "revoked_at": certificate.revoked_at,
        "revocation": certificate.revocation.value if certificate.revocation else None,
        "newer_at": await _newer(work, certificate),
        "now": (await present(work, [certificate.id])).get(certificate.id, NOTHING),
    }


def _verdict(certificate: Certificate) -> Verdict:
    return {
        CertificateState.ISSUED: Verdict.GENUINE,
        CertificateState.REVOKED: Verdict.REVOKED,
        CertificateState.REPLACED: Verdict.REPLACED,
    }[certificate.state]


async def _newer(work: Work, certificate: Certificate) -> datetime | None:
    """When the next version was issued under the same number."""
    return await work.session.scalar(
        select(func.min(Certificate.issued_at)).where(
            Certificate.number == certificate.number, Certificate.version > certificate.version
        )
    )


async def present(work: Work, certificate_ids: Sequence[int]) -> dict[int, Present]:
    """Certificate -> what the ledger says now; none for one without service."""
    lines = (
        select(
            CertificateLine.certificate_id,
            CertificateLine.minutes.label("before"),
            func.sum(LedgerEntry.minutes).label("minutes"),
            func.max(LedgerEntry.recorded_at).label("at"),
        )
        .join(LedgerEntry, LedgerEntry.attendance_id == CertificateLine.attendance_id)
        .where(CertificateLine.certificate_id.in_(certificate_ids))
        .group_by(
            CertificateLine.certificate_id, CertificateLine.attendance_id, CertificateLine.minutes
        )
        .subquery()
    )
    rows = await work.session.execute(
        select(
            lines.c.certificate_id,
            func.sum(lines.c.minutes),
            func.max(case((lines.c.minutes != lines.c.before, lines.c.at))),
        ).group_by(lines.c.certificate_id)
    )
    return {row[0]: Present(int(row[1]), row[2]) for row in rows}


def masked_name(name: str) -> str:
    """Enough to compare with a document, too little to look somebody up: 陈*丽, M*** S***."""
    if " " in name:
        return " ".join(masked_name(part) for part in name.split())
    if len(name) < 3 or name.isascii():
        return name[:1] + "*" * max(len(name) - 1, 1) if name else ""
    return name[0] + "*" * (len(name) - 2) + name[-1]


def masked_number(number: str) -> str:
    """Only the last four characters."""
    return "****" + number[-4:] if number else ""
