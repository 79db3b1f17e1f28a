"""Groups and channels of organisations, and chats in which the bot was blocked."""

from telegram import Chat, ChatMember, Update

from handlers.replies import Part, Show
from services import accounts, groups
from services.errors import Refusal
from services.words import Words
from services.work import Work

Answer = tuple[int, str, list[Part]]
"""Chat id, language and what to say there."""

GONE = (ChatMember.LEFT, ChatMember.BANNED)


async def listen(work: Work, update: Update, words: Words, bot_id: int) -> Answer | None:
    """What happens outside of private chats, and to a bot's membership anywhere."""
    if update.my_chat_member is not None:
        return await _membership(work, update, words, bot_id)
    message = update.effective_message
    if message is None or message.text is None or update.effective_user is None:
        return None
    name, _, code = message.text.partition(" ")
    if name.partition("@")[0] != "/bind":
        return None
    chat = message.chat
    language = words.language_for(update.effective_user.language_code)
    organisation = await groups.bind(
        work,
        code.strip(),
        bot_id=bot_id,
        chat_id=chat.id,
        title=chat.title or "",
        language=language,
        telegram_id=update.effective_user.id,
    )
    return chat.id, language, [Show("groups/bound", {"organisation": organisation.names})]


def refused(update: Update, refusal: Refusal, words: Words) -> Answer | None:
    """What was asked for there can't be."""
    chat, user = update.effective_chat, update.effective_user
    if chat is None or user is None:
        return None
    said = Show(refusal.template, refusal.parameters)
    return chat.id, words.language_for(user.language_code), [said]


async def _membership(work: Work, update: Update, words: Words, bot_id: int) -> Answer | None:
    change = update.my_chat_member
    if change is None or change.new_chat_member is None:
        return None
    chat, status = change.chat, change.new_chat_member.status
    if chat.type == Chat.PRIVATE:
        if status in GONE:
            await accounts.blocks(work.session, chat.id, bot_id, work.now)
        else:
            language = words.language_for(change.from_user.language_code)
            await accounts.meet(
                work.session, chat.id, language, work.now, work.policy.zone, bot_id=bot_id
            )
        return None
    if status in GONE:
        await groups.leave(work, chat.id, bot_id)
        return None
    language = words.language_for(change.from_user.language_code)
    return chat.id, language, [Show("groups/hello")]
