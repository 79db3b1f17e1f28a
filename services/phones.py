"""Phone numbers as people write them. Pure."""

import phonenumbers

from services.errors import Refusal


def e164(text: str, country: str) -> str:
    """The number in E.164; `country` is where numbers without a country code belong.

    Raises Refusal("form_phone").
    """
    digits = "".join(c for c in text if c.isdigit())
    for attempt in (text, f"+{digits}"):
        try:
            number = phonenumbers.parse(attempt, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise Refusal("form_phone")
