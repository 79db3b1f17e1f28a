// Draws one message: bubble, picture, place, card, buttons. Knows nothing of where it stands.

import { avatar, el, icon } from "./dom.js";
import { plan } from "./map.js";
import { say, timeOfDay } from "./words.js";

/**
 * The element of a message. `does` says what its controls do: press(message, row, column, button),
 * openLink(url), command(text), enlarge(message), scan(message).
 */
export function drawMessage(message, { replied, showSender, does }) {
  const kind = message.out ? "out" : "in";
  const node = el("li", { class: `message ${kind}`, "data-message": message.id });
  node.append(bubble(message, { replied, showSender, does }));
  if (message.inline_keyboard.length) node.append(inlineKeyboard(message, does));
  node.addEventListener("click", (event) => followLink(event, does));
  return node;
}

/** A line in the middle: a day, or what happened in a group. */
export function drawNote(text) {
  return el("li", { class: "note" }, el("span", {}, text));
}

function bubble(message, { replied, showSender, does }) {
  const content = el("div", { class: "bubble" });
  if (showSender) content.append(el("div", { class: "sender" }, message.from.name));
  if (replied) content.append(quote(replied));
  if (message.photo) content.append(picture(message, does));
  if (message.document) content.append(documentCard(message.document));
  if (message.voice) content.append(spoken(message.voice));
  if (message.venue) content.append(place(message.venue, message.venue.title, message.venue.address));
  if (message.location) content.append(location(message.location));
  if (message.contact) content.append(contact(message.contact));
  const html = message.text_html || message.caption_html;
  if (html) content.append(words(html));
  const signs = meta(message);
  content.style.setProperty("--meta", `${roomFor(signs)}px`);
  content.append(signs);
  if (message.photo && !message.photo.qr && !html) content.classList.add("bare");
  return content;
}

function spoken(voice) {
  const label = say("voice", { seconds: voice.duration });
  const player = el("audio", { controls: true, preload: "none", src: voice.url, "aria-label": label });
  return el("div", { class: "spoken" }, row("voice", label), player);
}

/** The one place where HTML goes in: the server has escaped the text and made the tags itself. */
function words(html) {
  const node = el("div", { class: "words" });
  node.innerHTML = html;
  return node;
}

/** The plain text of a message, for a quotation or a chat list. */
export function plainText(message) {
  const shown = new DOMParser().parseFromString(message.text_html || message.caption_html, "text/html");
  if (shown.body.textContent) return shown.body.textContent;
  const kind = ["photo", "document", "location", "contact"].find((name) => message[name]);
  if (message.venue) return message.venue.title;
  return kind ? say(kind) : "";
}

function quote(message) {
  return el(
    "div",
    { class: "quote" },
    el("strong", {}, message.from.name),
    el("span", {}, plainText(message)),
  );
}

function meta(message) {
  const date = new Date(message.date);
  return el(
    "div",
    { class: "meta" },
    message.pinned && icon("pin", say("pinned")),
    message.silent && icon("bell_off", say("silent")),
    message.edited && el("span", {}, say("edited")),
    el("time", { datetime: message.date }, timeOfDay(date)),
    message.out && icon("check"),
  );
}

/** How wide the time and its signs will be, about, in pixels. */
function roomFor(signs) {
  const widths = { TIME: 42, SPAN: 44, svg: 17 };
  return [...signs.children].reduce((sum, { tagName }) => sum + widths[tagName], 0);
}

function picture(message, does) {
  const { url, width, height, qr } = message.photo;
  const image = el("img", { src: url, alt: "", width, height, loading: "lazy" });
  image.style.aspectRatio = `${width} / ${height}`;
  const open = el(
    "button",
    {
      type: "button",
      class: "picture",
      "aria-label": say(qr ? "qr_picture" : "picture"),
      onclick: () => does.enlarge(message),
    },
    image,
  );
  const scan =
    qr &&
    el(
      "button",
      { type: "button", class: "scan", onclick: () => does.scan(message) },
      icon("scan"),
      say("scan_with"),
    );
  return el("div", { class: "picture-frame" }, open, scan);
}

function documentCard({ name, size, url }) {
  return el(
    "a",
    { class: "card", href: url, download: name, "aria-label": say("download", { name }) },
    el("span", { class: "card-sign" }, icon("document")),
    el("span", { class: "card-text" }, el("strong", {}, name), el("small", {}, readableSize(size))),
  );
}

function readableSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}

function row(sign, text) {
  return el("div", { class: "card" }, el("span", { class: "card-sign" }, icon(sign)), el("span", { class: "card-text" }, text));
}

function location(point) {
  return place(point, say(point.live ? "live_location" : "location"), "");
}

function place(point, title, address) {
  const coordinates = `${point.latitude.toFixed(5)}, ${point.longitude.toFixed(5)}`;
  return el(
    "div",
    { class: "place" },
    plan(point),
    el(
      "div",
      { class: "place-text" },
      el("strong", {}, title),
      address && el("span", {}, address),
      el("small", {}, coordinates),
    ),
  );
}

function contact({ name, phone_number: number }) {
  return el(
    "div",
    { class: "card" },
    avatar(name, "var(--bot)"),
    el("span", { class: "card-text" }, el("strong", {}, name), el("small", {}, number)),
  );
}

function inlineKeyboard(message, does) {
  const rows = message.inline_keyboard.map((buttons, r) =>
    el(
      "div",
      { class: "inline-row" },
      buttons.map((button, c) => inlineButton(button, () => does.press(message, r, c, button))),
    ),
  );
  return el("div", { class: "inline-keyboard" }, rows);
}

function inlineButton({ text, kind }, press) {
  const leadsAway = kind === "url" || kind === "web_app" || kind === "login_url";
  return el(
    "button",
    {
      type: "button",
      class: "inline-button",
      onclick: async (event) => {
        const button = event.currentTarget;
        if (button.getAttribute("aria-busy") === "true") return;
        button.setAttribute("aria-busy", "true");
        try {
          await press();
        } finally {
          button.removeAttribute("aria-busy");
        }
      },
    },
    el("span", {}, text),
    leadsAway && icon("link"),
  );
}

function followLink(event, does) {
  const spoiler = event.target.closest(".spoiler");
  if (spoiler) spoiler.classList.add("shown");
  const link = event.target.closest(".words a");
  if (!link) return;
  if (link.dataset.command) {
    event.preventDefault();
    does.command(link.dataset.command);
  } else if (does.openLink(link.href)) {
    event.preventDefault();
  }
}
