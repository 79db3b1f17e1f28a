"""The phones over HTTP: what the page shows and does. JSON under /api, events as they happen."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from playground.model import (
    Bot,
    Chat,
    InlineKeyboard,
    Message,
    Person,
    ReplyKeyboard,
    StoredFile,
)
from playground.phone import Phone
from playground.pictures import qr_of, read_qr
from playground.richtext import to_page_html
from playground.world import Change, Query

if TYPE_CHECKING:
    from playground.server import Playground

PAGE = Path(__file__).parent / "page"
ANSWER_SECONDS = 10.0
PING_SECONDS = 15.0
SHOWN = 200


class PhonesApi:
    def __init__(self, playground: "Playground", *, page: bool) -> None:
        self._playground = playground
        self._world = playground.world
        self._page = page
        self._streams: set[asyncio.Queue[str | None]] = set()
        self._unsubscribe = self._world.subscribe(self._hear)

    def add_to(self, app: web.Application) -> None:
        router = app.router
        router.add_get("/api/phones", self._phones)
        router.add_post("/api/phones", self._add_phone)
        router.add_patch("/api/phones/{id}", self._change_phone)
        router.add_get("/api/bots", self._bots)
        router.add_get("/api/places", self._places)
        router.add_get("/api/phones/{id}/chats", self._chats)
        chat = "/api/phones/{id}/chats/{chat}"
        router.add_get(f"{chat}/messages", self._messages)
        for action in ("text", "press", "contact", "location", "photo", "document", "voice",
                       "block", "unblock", "start"):  # fmt: skip
            router.add_post(f"{chat}/{action}", getattr(self, f"_{action}"))
        router.add_post("/api/phones/{id}/open", self._open)
        router.add_post("/api/phones/{id}/scan", self._scan)
        router.add_post("/api/phones/{id}/scan_image", self._scan_image)
        router.add_get("/api/events", self._events)
        router.add_get("/api/files/{file}", self._file)
        router.add_get("/api/faults", self._show_faults)
        router.add_post("/api/faults", self._set_fault)
        router.add_get("/api/limits", self._show_limits)
        router.add_post("/api/limits", self._set_limits)
        router.add_get("/api/stats", self._stats)
        if self._page:
            router.add_get("/", self._index)
            router.add_static("/page", PAGE)

    def stop(self) -> None:
        self._unsubscribe()
        for stream in self._streams:
            stream.put_nowait(None)

    # Who

    def _phone(self, request: web.Request) -> Phone:
        person = self._world.people.get(int(request.match_info["id"]))
        if person is None:
            raise web.HTTPNotFound
        return Phone(self._world, person)

    def _at_chat(self, request: web.Request) -> Phone:
        """A phone opened at a chat; a private one is named by its bot's id."""
        phone = self._phone(request)
        key = int(request.match_info["chat"])
        for bot in self._world.bots.values():
            if bot.id == key:
                return phone.use(bot)
        if key in self._world.chats:
            return phone.in_chat(self._world.chats[key])
        raise web.HTTPNotFound

    async def _phones(self, request: web.Request) -> web.Response:
        return web.json_response([_person(p) for p in self._world.people.values()])

    async def _add_phone(self, request: web.Request) -> web.Response:
        body = await request.json()
        first_name = str(body.get("first_name", "")).strip()
        if not first_name:
            return web.json_response({"error": "first_name is empty"}, status=400)
        person = self._world.add_person(
            first_name,
            str(body.get("last_name", "")),
            language_code=body.get("language_code", "zh-hans"),
            phone_number=body.get("phone_number"),
            role=body.get("role", ""),
            person_id=body.get("id"),
        )
        return web.json_response(_person(person))

    async def _change_phone(self, request: web.Request) -> web.Response:
        person = self._phone(request).person
        body = await request.json()
        for name in ("first_name", "last_name", "language_code"):
            if name in body:
                setattr(person, name, str(body[name]))
        self._world.changed(person)
        return web.json_response(_person(person))

    async def _bots(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"id": b.id, "username": b.username, "name": b.name}
             for b in self._world.bots.values()]
        )  # fmt: skip

    async def _places(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(place) for place in self._playground.places])

    # Chats and messages

    async def _chats(self, request: web.Request) -> web.Response:
        phone = self._phone(request)
        return web.json_response(
            [self._chat(c, phone.person) for c in self._world.chats_of(phone.person)]
        )

    def _chat(self, chat: Chat, person: Person) -> dict[str, Any]:
        shown = [m for m in chat.messages.values() if not m.deleted]
        return {
            "chat_id": chat.bot.id if chat.bot else chat.id,
            "title": chat.bot.name if chat.bot else chat.title,
            "kind": chat.kind,
            "last": shown[-1].words if shown else "",
            "last_id": shown[-1].id if shown else 0,
            "bot_username": chat.bot.username if chat.bot else None,
            "started": chat.started or chat.bot is None,
            "blocked": chat.blocked,
            "commands": _commands(chat.bot, chat, person) if chat.bot else [],
        }

    async def _messages(self, request: web.Request) -> web.Response:
        phone = self._at_chat(request)
        limit = int(request.query.get("limit", SHOWN))
        return web.json_response(
            {
                "messages": [_message(m, phone.person) for m in phone.messages[-limit:]],
                "reply_keyboard": _reply_keyboard(phone.chat.reply_keyboard),
                "chat": self._chat(phone.chat, phone.person),
            }
        )

    async def _text(self, request: web.Request) -> web.Response:
        text = str((await request.json()).get("text", "")).strip()
        if text:
            await self._at_chat(request).say(text)
        return web.json_response({})

    async def _start(self, request: web.Request) -> web.Response:
        await self._at_chat(request).start()
        return web.json_response({})

    async def _press(self, request: web.Request) -> web.Response:
        phone = self._at_chat(request)
        body = await request.json()
        message = phone.chat.messages.get(int(body["message_id"]))
        if message is None or message.deleted:
            raise web.HTTPNotFound
        try:
            query = phone.tap(message, int(body["row"]), int(body["column"]))
            answer = await phone.answered(query, ANSWER_SECONDS)
        except (IndexError, AssertionError):
            return web.json_response({"answer": None})
        return web.json_response(
            {"answer": {"text": answer.text, "alert": answer.alert, "url": answer.url}}
        )

    async def _contact(self, request: web.Request) -> web.Response:
        body = await _json_or_nothing(request)
        await self._at_chat(request).share_contact(body.get("phone_number"))
        return web.json_response({})

    async def _location(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self._at_chat(request).share_location(
            float(body["latitude"]), float(body["longitude"]), body.get("live_period")
        )
        return web.json_response({})

    async def _photo(self, request: web.Request) -> web.Response:
        content, _, caption = await _uploaded(request)
        await self._at_chat(request).send_photo(content, caption)
        return web.json_response({})

    async def _document(self, request: web.Request) -> web.Response:
        content, name, _ = await _uploaded(request)
        await self._at_chat(request).send_document(content, name)
        return web.json_response({})

    async def _voice(self, request: web.Request) -> web.Response:
        """The caption says how long it is, in seconds."""
        content, _, seconds = await _uploaded(request)
        length = int(seconds) if seconds.isdecimal() else 0
        await self._at_chat(request).send_voice(content, length, "audio/wav")
        return web.json_response({})

    async def _block(self, request: web.Request) -> web.Response:
        await self._at_chat(request).block()
        return web.json_response({})

    async def _unblock(self, request: web.Request) -> web.Response:
        await self._at_chat(request).unblock()
        return web.json_response({})

    async def _open(self, request: web.Request) -> web.Response:
        return await self._opened(request, str((await request.json()).get("link", "")))

    async def _scan(self, request: web.Request) -> web.Response:
        """Scans a picture that another phone shows."""
        body = await request.json()
        owner = self._world.people.get(int(body["phone"]))
        if owner is None:
            raise web.HTTPNotFound
        key = int(body["chat_id"])
        bots = {bot.id: bot for bot in self._world.bots.values()}
        there = Phone(self._world, owner)
        there = there.use(bots[key]) if key in bots else there.in_chat(self._world.chats[key])
        message = there.chat.messages.get(int(body["message_id"]))
        payload = qr_of(message.photo) if message and message.photo else None
        return await self._opened(request, payload)

    async def _scan_image(self, request: web.Request) -> web.Response:
        content, _, _ = await _uploaded(request)
        return await self._opened(request, await asyncio.to_thread(read_qr, content))

    async def _opened(self, request: web.Request, payload: str | None) -> web.Response:
        opened = False
        if payload:
            try:
                await self._phone(request).open(payload)
                opened = True
            except ValueError:
                opened = False
        return web.json_response({"payload": payload, "opened": opened})

    async def _file(self, request: web.Request) -> web.Response:
        stored = self._world.files.get(request.match_info["file"])
        if stored is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "max-age=86400", "X-Content-Type-Options": "nosniff"}
        plays = stored.kind in ("photo", "voice")
        kind = stored.mime if plays else "application/octet-stream"
        return web.Response(body=stored.content, content_type=kind, headers=headers)

    # Weather

    async def _show_faults(self, request: web.Request) -> web.Response:
        active = self._playground.faults.active
        return web.json_response(
            [{"kind": f.kind, "method": f.method, "times": f.times, "status": f.status}
             for f in active]
        )  # fmt: skip

    async def _set_fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        faults = self._playground.faults
        kind = body.pop("kind", "clear")
        if kind == "fail":
            faults.fail(**body)
        elif kind == "drop":
            faults.drop(**body)
        elif kind == "delay":
            faults.delay(**body)
        else:
            faults.clear()
        return await self._show_faults(request)

    async def _show_limits(self, request: web.Request) -> web.Response:
        limits = self._playground.limits
        return web.json_response({"on": limits.on, "refused": limits.refused})

    async def _set_limits(self, request: web.Request) -> web.Response:
        limits = self._playground.limits
        if (await request.json()).get("on"):
            limits.strict()
        else:
            limits.off()
        return await self._show_limits(request)

    async def _stats(self, request: web.Request) -> web.Response:
        playground = self._playground
        waiting = sum(len(playground.updates.of(b).waiting) for b in self._world.bots.values())
        return web.json_response(
            {
                "calls": sum(playground.counts.values()),
                "by_method": dict(playground.counts.most_common(10)),
                "refused": playground.limits.refused,
                "waiting": waiting,
            }
        )

    # Events

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._streams.add(queue)  # before the page hears that it is connected
        try:
            await response.prepare(request)
            while True:
                try:
                    line = await asyncio.wait_for(queue.get(), PING_SECONDS)
                except TimeoutError:
                    line = ": ping\n\n"
                if line is None:
                    break
                await response.write(line.encode())
        except (ConnectionResetError, asyncio.CancelledError):
            pass
        finally:
            self._streams.discard(queue)
        return response

    def _hear(self, change: Change, chat: Chat | None, about: Any) -> None:
        if not self._streams or change == "update":
            return
        for event in self._event(change, chat, about):
            line = f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
            for stream in self._streams:
                stream.put_nowait(line)

    def _event(self, change: Change, chat: Chat | None, about: Any) -> list[dict[str, Any]]:
        if change == "people":
            return [{"type": "phones"}]
        if chat is None:
            return [{"type": "commands"}]
        key = chat.bot.id if chat.bot else chat.id
        events = []
        for person in chat.people:
            event: dict[str, Any] = {"type": change, "phone": person.id, "chat_id": key}
            if isinstance(about, Message):
                event["message"] = _message(about, person)
                event["reply_keyboard"] = _reply_keyboard(chat.reply_keyboard)
            elif isinstance(about, Query):
                if about.person is not person or about.answer is None:
                    continue
                answer = about.answer
                event |= {"type": "toast", "text": answer.text, "alert": answer.alert}
            elif change == "action":
                event["action"] = about
            events.append(event)
        return events

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-store"})


# As the page wants it


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": person.name,
        "language_code": person.language_code,
        "phone_number": person.phone_number,
        "username": person.username,
        "role": person.role,
        "color": person.color,
    }


def _commands(bot: Bot, chat: Chat, person: Person) -> list[dict[str, str]]:
    """The menu that Telegram would show: the narrowest scope wins, then the language."""
    language = person.language_code.partition("-")[0]
    for scope in (f"chat:{chat.id}", "all_private_chats", "default"):
        for code in (language, ""):
            found = bot.commands.get((scope, code))
            if found:
                return [{"command": name, "description": text} for name, text in found]
    return []


def _message(message: Message, viewer: Person) -> dict[str, Any]:
    sender = message.sender
    out: dict[str, Any] = {
        "id": message.id,
        "date": message.date.isoformat(),
        "out": sender is viewer,
        "from": {"name": sender.name if sender else "", "is_bot": message.from_bot},
        "text_html": to_page_html(message.text, message.entities),
        "caption_html": to_page_html(message.caption, message.caption_entities),
        "edited": message.edited > 0 and message.from_bot,
        "silent": message.silent,
        "pinned": message.pinned,
        "deleted": message.deleted,
        "reply_to": message.reply_to,
        "revision": message.revision,
        "photo": _photo(message.photo) if message.photo else None,
        "document": _document(message.document) if message.document else None,
        "voice": _voice(message.voice) if message.voice else None,
        "venue": None,
        "location": None,
        "contact": None,
        "inline_keyboard": [],
    }
    if message.venue is not None:
        place = message.venue.location
        out["venue"] = {
            "title": message.venue.title,
            "address": message.venue.address,
            "latitude": place.latitude,
            "longitude": place.longitude,
        }
    elif message.location is not None:
        place = message.location
        out["location"] = {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "live": place.live_period is not None,
        }
    if message.contact is not None:
        name = f"{message.contact.first_name} {message.contact.last_name}".strip()
        out["contact"] = {"name": name, "phone_number": message.contact.phone_number}
    if isinstance(message.markup, InlineKeyboard):
        out["inline_keyboard"] = [
            [{"text": b.text, "kind": b.kind, "url": b.url} for b in row]
            for row in message.markup.rows
        ]
    return out


def _photo(file: StoredFile) -> dict[str, Any]:
    return {
        "file_id": file.id,
        "url": f"/api/files/{file.id}",
        "width": file.width,
        "height": file.height,
        "qr": qr_of(file),
    }


def _voice(file: StoredFile) -> dict[str, Any]:
    return {"duration": file.duration, "url": f"/api/files/{file.id}"}


def _document(file: StoredFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "size": file.size,
        "mime": file.mime,
        "url": f"/api/files/{file.id}",
    }


def _reply_keyboard(keyboard: ReplyKeyboard | None) -> dict[str, Any] | None:
    if keyboard is None:
        return None
    return {
        "rows": [[{"text": b.text, "kind": b.kind} for b in row] for row in keyboard.rows],
        "one_time": keyboard.one_time,
        "placeholder": keyboard.placeholder,
    }


async def _uploaded(request: web.Request) -> tuple[bytes, str, str]:
    """Content, file name and caption of an uploaded file."""
    form = await request.post()
    file = form.get("file")
    if not isinstance(file, web.FileField):
        raise web.HTTPBadRequest
    return file.file.read(), file.filename, str(form.get("caption", ""))


async def _json_or_nothing(request: web.Request) -> dict[str, Any]:
    if not request.can_read_body:
        return {}
    body = await request.json()
    return body if isinstance(body, dict) else {}
