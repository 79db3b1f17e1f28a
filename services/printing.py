"""A certificate on paper: what its templates are given, from its sealed content alone.

The same certificate is the same file each time. Drawing takes some hundredths of a second: call it
in a thread.
"""

import io
from typing import Any

import segno

from models import Certificate
from services import typesetting, verifying
from services.errors import Gone
from services.words import Words

LISTED = 12
"""Activities that a certificate names one by one; of more it says how much in each field."""


def address(public_url: str) -> str:
    """Where a code is typed in."""
    return f"{public_url}/verify"


def filename(certificate: Certificate) -> str:
    return f"{certificate.number}.pdf"


def values(
    certificate: Certificate, words: Words, public_url: str, *, tells_all: bool = True
) -> Any:
    """What the layout is filled with. Raises Gone where its holder had it erased.

    Unless it `tells_all`, of ID number and phone only the last characters can be read.
    """
    if certificate.content is None or certificate.code is None:
        raise Gone
    where = address(public_url)
    return words.values(
        _paper(certificate),
        certificate.language,
        **(certificate.content if tells_all else _masked(certificate.content)),
        number=certificate.number,
        version=certificate.version,
        issued_at=certificate.issued_at,
        address=where,
        code=verifying.grouped(certificate.code),
        code_svg=_drawn(f"{where}/{certificate.code}"),
        listed=LISTED,
    )


def _masked(content: dict[str, Any]) -> dict[str, Any]:
    person = content["person"]
    hidden = {name: verifying.masked_number(person[name]) for name in ("id_number", "phone")}
    return {**content, "person": {**person, **hidden}}


def pdf(certificate: Certificate, filled: Any) -> bytes:
    """Dated with the moment of issue."""
    return typesetting.pdf(_paper(certificate), filled, certificate.issued_at)


def _paper(certificate: Certificate) -> str:
    return f"certificates/{certificate.kind.value}"


def _drawn(link: str) -> str:
    out = io.BytesIO()
    segno.make(link, error="m").save(out, kind="svg", border=0, xmldecl=False, svgns=True)
    return out.getvalue().decode()
