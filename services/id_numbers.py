"""Numbers of identity cards (GB 11643): 18 digits, the last one a check. Pure."""

from datetime import date
from functools import lru_cache

from stdnum import numdb
from stdnum.cn import ric
from stdnum.exceptions import ValidationError
from stdnum.util import isdigits

from services.errors import Refusal

LENGTH = 18
PLACE = 6
"""Digits that name the county."""


def checked(typed: str) -> str:
    """The number as it is kept. Raises Refusal("signup_id_number").

    A county counts whenever it had its code: cards have been given out since 1984 only, so that
    the holder may be older than the county of the card.
    """
    try:
        number = str(ric.compact(typed))
        sound = len(number) == LENGTH and isdigits(number[:-1]) and _is_place(number[:PLACE])
        if not sound or number[-1] != ric.calc_check_digit(number):
            raise Refusal("signup_id_number")
        ric.get_birth_date(number)
    except ValidationError:
        raise Refusal("signup_id_number") from None
    return number


def birth_date(number: str) -> date:
    """Of a number as it is kept."""
    return date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")


@lru_cache(maxsize=8192)
def _is_place(code: str) -> bool:
    found = numdb.get("cn/loc").info(code)
    return any("county" in properties for _, properties in found)
