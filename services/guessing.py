"""How often one chat may try out what leads to somebody: codes, phone and ID numbers."""

from datetime import timedelta
from typing import Literal

from sqlalchemy import func, select

from models import Account, ClaimGuess
from services.errors import Refusal
from services.work import Work

WITHIN = timedelta(hours=1)

Kind = Literal["code", "number"]


async def require_few(work: Work, account: Account, kind: Kind) -> None:
    """Raises Refusal("claim_guesses") or Refusal("number_guesses")."""
    most = {"code": work.policy.claim_guesses, "number": work.policy.number_guesses}[kind]
    guesses = await work.session.scalar(
        select(func.count()).where(
            ClaimGuess.telegram_id == account.telegram_id,
            ClaimGuess.kind == kind,
            ClaimGuess.at > work.now - WITHIN,
        )
    )
    if (guesses or 0) >= most:
        raise Refusal("claim_guesses" if kind == "code" else "number_guesses")


async def note(work: Work, account: Account, kind: Kind) -> None:
    work.session.add(ClaimGuess(telegram_id=account.telegram_id, kind=kind, at=work.now))
    await work.session.flush()


async def try_number(work: Work, account: Account) -> None:
    """Before a typed number is compared with those of others, whatever comes of it."""
    await require_few(work, account, "number")
    await note(work, account, "number")
