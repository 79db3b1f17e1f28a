"""What `muster doctor` says of one subject: well, or at fault and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str
    ok: bool
    text: str


def fine(subject: str, text: str) -> Finding:
    return Finding(subject, True, text)


def fault(subject: str, text: str) -> Finding:
    return Finding(subject, False, text)
