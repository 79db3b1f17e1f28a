"""Files that lie at Telegram, as Muster knows them: a file id counts only for one bot."""

from models import FIRST_BOT


def reference(bot_id: int, file_id: str) -> str:
    """What is kept of a file that a bot was sent; of the first bot's the bare id."""
    return file_id if bot_id == FIRST_BOT else f"{bot_id}:{file_id}"


def read(kept: str) -> tuple[int, str]:
    """Whose file it is, and Telegram's id for that bot."""
    bot_id, colon, file_id = kept.partition(":")
    return (int(bot_id), file_id) if colon and bot_id.isdecimal() else (FIRST_BOT, kept)
