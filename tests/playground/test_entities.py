"""The Bot API's HTML: what it becomes, and what is wrong with it in Telegram's own words."""

from typing import Any

import pytest

from tests.playground.caller import Caller


def spans(message: dict[str, Any]) -> list[tuple[str, str]]:
    """Each entity's kind and the words it covers, by its UTF-16 offsets."""
    raw = message["text"].encode("utf-16-le")
    return [
        (e["type"], raw[e["offset"] * 2 : (e["offset"] + e["length"]) * 2].decode("utf-16-le"))
        for e in message.get("entities", [])
    ]


@pytest.mark.parametrize(
    ("html", "text", "found"),
    [
        ("<b>集合</b>：北门", "集合：北门", [("bold", "集合")]),
        ("🎉🎉 <i>欢迎</i>", "🎉🎉 欢迎", [("italic", "欢迎")]),
        ("<b>a<i>b</i></b>", "ab", [("bold", "ab"), ("italic", "b")]),
        ("1 &lt; 2 &amp;&#33; &nbsp;", "1 < 2 &! &nbsp;", []),
        ("  <b> x </b>  ", "x", [("bold", "x")]),
        ("<b></b>x", "x", []),
        ("<pre>a\nb</pre>", "a\nb", [("pre", "a\nb")]),
        ("<blockquote>说</blockquote>", "说", [("blockquote", "说")]),
        ("<tg-spoiler>x</tg-spoiler>", "x", [("spoiler", "x")]),
        ('<span class="tg-spoiler">x</span>', "x", [("spoiler", "x")]),
        ('<a href="https://example.org/">这里</a>', "这里", [("text_link", "这里")]),
        ("看 https://example.org/a ", "看 https://example.org/a", [("url", "https://example.org/a")]),
        ("/menu 或 @muster_bot", "/menu 或 @muster_bot", [("bot_command", "/menu"),
         ("mention", "@muster_bot")]),
    ],
)  # fmt: skip
async def test_html_becomes_text_with_entities(
    caller: Caller, html: str, text: str, found: list[tuple[str, str]]
) -> None:
    sent = await caller.say(html, parse_mode="HTML")
    assert sent["text"] == text
    assert spans(sent) == found


async def test_a_link_to_a_person_is_a_mention(caller: Caller) -> None:
    sent = await caller.say(f'<a href="tg://user?id={caller.chen.id}">晓丽</a>', parse_mode="HTML")
    (entity,) = sent["entities"]
    assert (entity["type"], entity["user"]["id"]) == ("text_mention", caller.chen.id)


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<x>1</x>", 'Unsupported start tag "x" at byte offset 0'),
        ("中<x>", 'Unsupported start tag "x" at byte offset 3'),
        ("<b>1", 'Can\'t find end tag corresponding to start tag "b"'),
        ("1</b>", "Unexpected end tag at byte offset 1"),
        ("<b>1</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("1 < 2", "Unclosed start tag at byte offset 2"),
        ("<span>1</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
async def test_wrong_html_is_refused_with_the_place_of_the_fault(
    caller: Caller, html: str, fault: str
) -> None:
    refused = await caller.refused(
        "sendMessage", chat_id=caller.chen.id, text=html, parse_mode="HTML"
    )
    assert refused == f"Bad Request: can't parse entities: {fault}"


async def test_without_a_parse_mode_nothing_is_markup(caller: Caller) -> None:
    assert (await caller.say("<b>1 < 2"))["text"] == "<b>1 < 2"


async def test_entities_may_be_given_instead_of_markup(caller: Caller) -> None:
    given = [{"type": "bold", "offset": 2, "length": 2}]
    assert spans(await caller.say("🎉集合", entities=given)) == [("bold", "集合")]
    assert (
        await caller.refused(
            "sendMessage",
            chat_id=caller.chen.id,
            text="x",
            entities=[{"type": "bold", "offset": 0}],
        )
        == "Bad Request: can't parse MessageEntity: Can't find field \"length\""
    )


async def test_markdown_is_not_played(caller: Caller) -> None:
    status, body = await caller.answer(
        "sendMessage", chat_id=caller.chen.id, text="*x*", parse_mode="MarkdownV2"
    )
    assert status == 501
    assert body["description"] == "Not Implemented: parse_mode MarkdownV2; HTML is"


async def test_the_limit_counts_what_is_left_of_the_markup(caller: Caller) -> None:
    await caller.say(f"<b>{'长' * 4096}</b>", parse_mode="HTML")
    assert "message is too long" in await caller.refused(
        "sendMessage", chat_id=caller.chen.id, text="🎉" * 2049
    )
