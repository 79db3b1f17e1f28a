"""Writing to the audit log. Details name keys and states, never a person's name, phone or text."""

from typing import Any

from models import AuditEntry
from services.work import Work


def note(
    work: Work, action: str, subject: str, *, organisation_id: int | None = None, **details: Any
) -> None:
    """Adds an entry to the transaction; `subject` is "kind:key".

    What is done with a token of the API names the token as well.
    """
    if work.bounds is not None:
        details["token"] = work.bounds.token_id
    work.session.add(
        AuditEntry(
            at=work.now,
            actor_id=work.actor.id if work.actor else None,
            action=action,
            subject=subject,
            organisation_id=organisation_id,
            details=details,
        )
    )
