"""How long what people write may be. Pure."""

from services.errors import Refusal

Length = tuple[int, int]
"""Characters, least and most."""


def check(what: str, words: str, length: Length) -> None:
    """Raises Refusal("words_length"), which names `what` was too short or too long."""
    least, most = length
    if not least <= len(words) <= most:
        raise Refusal("words_length", what=what, least=least, most=most)
