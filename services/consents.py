"""What somebody agreed to, in which version of the notice, and when they took it back."""

from sqlalchemy import select

from models import Consent, ConsentKind, Person
from services.work import Work


async def record(work: Work, person: Person, kind: ConsentKind, *, agreed: bool) -> None:
    """Notes a consent with the notice's version and the time, or that it was taken back."""
    standing = await work.session.scalar(
        select(Consent).where(
            Consent.person_id == person.id, Consent.kind == kind, Consent.withdrawn_at.is_(None)
        )
    )
    if standing is not None and (not agreed or standing.version != work.policy.privacy_version):
        standing.withdrawn_at = work.now
        standing = None
    if agreed and standing is None:
        work.session.add(
            Consent(
                person_id=person.id,
                kind=kind,
                version=work.policy.privacy_version,
                given_at=work.now,
            )
        )
    await work.session.flush()
