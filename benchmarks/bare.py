"""The yardstick: python-telegram-bot with one handler that only answers the callback query.

Run as a program: `python -m benchmarks.bare URL TOKEN plain|tuned`. Plain is what its tutorial
gives; tuned has Muster's client, event loop and updates side by side.
"""

import asyncio
import sys

import uvloop
from telegram import Update
from telegram.ext import ApplicationBuilder, CallbackQueryHandler, ContextTypes


async def answer(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
    if update.callback_query is not None:
        await update.callback_query.answer()


def run(url: str, token: str, *, tuned: bool) -> None:
    """Runs until interrupted."""
    builder = ApplicationBuilder().token(token).base_url(f"{url}/bot")
    if tuned:
        from bot.request import AiohttpRequest

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        builder = builder.request(AiohttpRequest()).concurrent_updates(True)
        builder = builder.get_updates_request(AiohttpRequest(connections=2))
    application = builder.build()
    application.add_handler(CallbackQueryHandler(answer))
    application.run_polling()


if __name__ == "__main__":
    address, secret, kind = sys.argv[1:]
    run(address, secret, tuned=kind == "tuned")
