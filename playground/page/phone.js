// One phone: its frame, who holds it, the chats on it, and what that person does there.

import * as api from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { avatar, el, icon, iconButton } from "./dom.js";
import { recall, remember } from "./memory.js";
import { plainText } from "./message.js";
import { asPerson, personFields } from "./people.js";
import { chooseContact, chooseFile, choosePlace, hum, previewPicture } from "./sharing.js";
import { Sheets } from "./sheets.js";
import { say, sayIfKnown, timeOfDay } from "./words.js";

const ACTION_SECONDS = 5; // as long as Telegram shows "typing"
const SETTLING = 60; // milliseconds in which several changes of the chats are taken together

export class Phone {
  /** `desk` offers bots, places, scan(phone, message), enlarge(phone, message), putAway, noticed. */
  constructor(person, desk) {
    this.person = person;
    this.desk = desk;
    this.chats = [];
    this.chat = null;
    this.unread = new Map();
    this.#build();
    this.rename(person);
  }

  get id() {
    return this.person.id;
  }

  get unreadCount() {
    return [...this.unread.values()].reduce((sum, count) => sum + count, 0);
  }

  // What it looks like

  #build() {
    this.face = el("span", { class: "caption-face" });
    this.name = el("h2", {});
    this.role = el("span", { class: "role" });
    this.languages = el("div", { class: "languages", role: "group" });
    const caption = el(
      "header",
      { class: "caption" },
      this.face,
      el("div", { class: "caption-text" }, this.name, this.role),
      this.languages,
    );

    this.clock = el("time", {});
    const status = el(
      "div",
      { class: "status-bar" },
      this.clock,
      el("span", { class: "status-signs" }, icon("bell_off", say("sounds_muted")), el("i", { class: "battery" })),
    );

    this.title = el("strong", {});
    this.about = el("small", { "aria-live": "polite" });
    this.chatFace = el("span", {});
    this.switcher = el(
      "button",
      { type: "button", class: "chat-title", title: say("switch_chat"), onclick: () => this.#chooseChat() },
      this.chatFace,
      el("span", { class: "chat-title-text" }, this.title, this.about),
      icon("down"),
      (this.otherUnread = el("span", { class: "badge" })),
    );
    const head = el(
      "header",
      { class: "chat-head" },
      this.switcher,
      iconButton("scan", say("scan_or_open"), () => this.#scanOrOpen()),
      iconButton("more", say("more"), () => this.#menu()),
    );

    this.window = el("div", { class: "window" });
    this.composer = new Composer({
      say: (text) => this.#say(text),
      start: () => this.#do((chat) => chat.start()),
      unblock: () => this.#do((chat) => chat.unblock()),
      attach: () => this.#attach(),
      key: (key) => this.#key(key),
      picture: (file) => this.#sendPicture(file),
    });
    const stage = el("div", { class: "stage" }, head, this.window, this.composer.node);
    this.sheets = new Sheets(stage);
    const screen = el("div", { class: "screen" }, status, stage, this.sheets.holder, this.sheets.toasts);
    this.node = el("section", { class: "station" }, caption, el("div", { class: "phone" }, screen));
    this.tick();
  }

  /** The time in the corner. */
  tick(now = new Date()) {
    this.clock.textContent = timeOfDay(now);
  }

  /** Shows who holds it, after a change too. */
  rename(person) {
    const spoken = this.person.language_code;
    this.person = person;
    this.node.setAttribute("aria-label", person.name);
    this.node.dataset.phone = person.id;
    this.node.style.setProperty("--person", person.color);
    this.face.replaceChildren(avatar(person.name, person.color));
    this.name.textContent = person.name;
    this.role.textContent = person.role ? sayIfKnown(person.role) : person.phone_number;
    this.languages.setAttribute("aria-label", say("language_of", { name: person.name }));
    const chosen = person.language_code.startsWith("zh") ? "zh-hans" : "en";
    this.languages.replaceChildren(
      ...[["zh-hans", "中文"], ["en", "EN"]].map(([code, text]) =>
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(code === chosen),
            onclick: () => this.#change({ language_code: code }),
          },
          text,
        ),
      ),
    );
    if (spoken !== person.language_code) this.refreshChats();
  }

  // Chats

  /** Loads the chats and what is in the one that is open. */
  async load() {
    await this.#loadChats();
    const known = this.chats.find(({ chat_id: id }) => id === (this.chat?.id ?? recall(`chat.${this.id}`)));
    const wanted = known ?? this.chats[0];
    if (!wanted) return;
    if (wanted.chat_id !== this.chat?.id) this.#turnTo(wanted);
    await this.#loadMessages();
  }

  async #loadChats() {
    this.chats = await api.chatsOf(this.id);
    if (!this.chats.length) this.window.replaceChildren(el("p", { class: "empty" }, say("no_bots")));
    this.#showHead();
  }

  /** Loads the chats anew soon: titles, commands, groups joined or left. */
  refreshChats() {
    clearTimeout(this.refreshing);
    this.refreshing = setTimeout(() => this.#attempt(async () => {
      await this.#loadChats();
      const open = this.chats.find(({ chat_id: id }) => id === this.chat?.id);
      if (open) this.composer.show(open, this.composer.keyboard ?? this.keyboard);
      else await this.load();
    }), SETTLING);
  }

  /** Opens a chat on the screen. */
  async openChat(id) {
    const wanted = this.chats.find(({ chat_id: chatId }) => chatId === id);
    if (!wanted || id === this.chat?.id) return;
    this.#turnTo(wanted);
    await this.#attempt(() => this.#loadMessages());
  }

  #turnTo(info) {
    remember(`chat.${this.id}`, info.chat_id);
    this.unread.delete(info.chat_id);
    this.calls = api.chatOf(this.id, info.chat_id);
    this.keyboard = null;
    this.chat = new Chat({
      title: info.title,
      grouped: info.kind !== "private",
      load: this.calls.messages,
      does: {
        press: (message, row, column, button) => this.#press(message, row, column, button),
        openLink: (link) => this.#follow(link),
        command: (text) => this.#do((chat) => chat.say(text)),
        enlarge: (message) => this.desk.enlarge(this, message),
        scan: (message) => this.desk.scan(this, message),
      },
    });
    this.chat.id = info.chat_id;
    this.hint = el("p", { class: "empty" });
    this.window.replaceChildren(this.chat.node, this.hint);
    this.composer.show(info, null);
    this.#showHead();
    this.desk.noticed();
  }

  async #loadMessages() {
    const chat = this.chat;
    const answer = await chat.load();
    if (!answer || chat !== this.chat) return;
    if (!answer.overtaken) {
      this.#learn(answer.chat);
      this.keyboard = answer.reply_keyboard;
    }
    this.composer.show(this.#info, this.keyboard);
    this.#showHead();
  }

  #learn(info) {
    this.chats = this.chats.map((known) => (known.chat_id === info.chat_id ? info : known));
  }

  get #info() {
    return this.chats.find(({ chat_id: id }) => id === this.chat?.id);
  }

  #showHead() {
    const info = this.#info;
    this.switcher.disabled = this.chats.length < 2;
    const elsewhere = this.unreadCount;
    this.otherUnread.textContent = elsewhere || "";
    if (!info) return;
    this.title.textContent = info.title;
    this.chatFace.replaceChildren(avatar(info.title, "var(--bot)"));
    this.#showAbout();
    this.hint.hidden = this.chat.messages.size > 0;
    this.hint.textContent = info.started ? say("no_messages") : say("start_hint", { bot: info.title });
  }

  #showAbout() {
    const info = this.#info;
    if (!info) return;
    this.about.classList.toggle("acting", Boolean(this.acting));
    if (this.acting) this.about.textContent = sayIfKnown(this.acting, say("typing"));
    else this.about.textContent = info.blocked ? say("blocked") : say(info.kind === "private" ? "bot" : info.kind);
  }

  // What happens

  /** An event of the server that concerns this phone. */
  hear(event) {
    if (event.type === "chat") this.refreshChats();
    if (event.type === "action" && event.chat_id === this.chat?.id) this.#act(event.action);
    if (!event.message) return;
    if (event.chat_id === this.chat?.id) this.#hearHere(event);
    else if (event.type === "message") this.#hearElsewhere(event);
  }

  #hearHere({ type, message, reply_keyboard: keyboard }) {
    this.chat.hear(type, message);
    if (message.from.is_bot && type === "message") this.#act(null);
    this.keyboard = keyboard;
    const info = this.#info;
    if (info) {
      const begun = message.out && info.kind === "private" && (!info.started || info.blocked);
      this.#learn({ ...info, last: plainText(message), ...(begun && { started: true, blocked: false }) });
      if (begun) this.composer.show(this.#info, keyboard);
    }
    this.composer.setKeyboard(keyboard);
    this.#showHead();
    if (type === "message" && !message.out) this.desk.noticed(this);
  }

  #hearElsewhere({ chat_id: id, message }) {
    const info = this.chats.find((known) => known.chat_id === id);
    if (info) this.#learn({ ...info, last: plainText(message) });
    else this.refreshChats();
    if (!message.out) this.unread.set(id, (this.unread.get(id) ?? 0) + 1);
    this.#showHead();
    this.desk.noticed(this);
  }

  #act(action) {
    clearTimeout(this.actingEnds);
    this.acting = action;
    this.#showAbout();
    if (action) this.actingEnds = setTimeout(() => this.#act(null), ACTION_SECONDS * 1000);
  }

  // What the person does

  /** Does something and says so if it did not work. */
  async #attempt(deed) {
    try {
      return await deed();
    } catch (failure) {
      if (!(failure instanceof api.Failure)) throw failure;
      this.sheets.toast(failure.message);
      return null;
    }
  }

  #do(deed) {
    return this.#attempt(() => deed(this.calls));
  }

  #say(text) {
    if (!this.#follow(text)) this.#do((chat) => chat.say(text));
  }

  /** Opens a link to one of the bots; answers whether it was one. */
  #follow(link) {
    const url = URL.canParse(link) ? new URL(link) : null;
    const toBot =
      url &&
      ["t.me", "telegram.me"].includes(url.hostname) &&
      this.desk.bots.some(({ username }) => url.pathname.slice(1).toLowerCase() === username.toLowerCase());
    if (toBot) this.#open(link);
    return Boolean(toBot);
  }

  /** Opens a deep link, and the chat with that bot. */
  #open(link) {
    return this.#attempt(async () => this.#opened(await api.open(this.id, link)));
  }

  /** Points the camera at a picture on another phone. */
  scan(picture) {
    return this.#attempt(async () => this.#opened(await api.scan(this.id, picture)));
  }

  /** What came of a link or a scanned code. */
  async #opened({ payload, opened }) {
    if (opened) {
      const name = new URL(payload).pathname.slice(1).toLowerCase();
      const bot = this.desk.bots.find(({ username }) => username.toLowerCase() === name);
      if (bot) await this.openChat(bot.id);
    } else if (payload?.startsWith("https://t.me/")) {
      this.sheets.toast(say("link_refused", { link: payload }));
    } else if (/^https?:/.test(payload ?? "")) {
      this.#offer(payload);
    } else if (payload) {
      this.sheets.toast(say("scanned_text", { payload }));
    } else {
      this.sheets.toast(say("scanned_nothing"));
    }
  }

  /** A scanned address is shown before it is opened, as a camera does. */
  #offer(address) {
    this.sheets.choose(say("scanned_text", { payload: address }), [
      { text: say("open"), sign: "link", choose: () => window.open(address, "_blank", "noreferrer") },
    ]);
  }

  async #press(message, row, column, button) {
    if (button.kind === "url") {
      if (!this.#follow(button.url)) window.open(button.url, "_blank", "noreferrer");
      return;
    }
    if (button.kind !== "callback") {
      this.sheets.toast(say("only_in_telegram"));
      return;
    }
    const pressed = await this.#do((chat) => chat.press(message.id, row, column));
    if (!pressed) return;
    const { answer } = pressed;
    if (!answer) this.sheets.toast(say("no_answer"));
    else if (answer.url) this.#follow(answer.url) || window.open(answer.url, "_blank", "noreferrer");
    else if (answer.alert) this.sheets.alert(answer.text);
    else if (answer.text) this.sheets.toast(answer.text);
  }

  #key(key) {
    if (key.kind === "contact") this.#do((chat) => chat.shareContact());
    else if (key.kind === "location") this.#choosePlace();
    else if (key.kind === "text") this.#do((chat) => chat.say(key.text));
    else this.sheets.toast(say("only_in_telegram"));
  }

  // Sheets

  #chooseChat() {
    this.sheets.choose(
      say("chats"),
      this.chats.map((info) => ({
        text: info.title,
        hint: info.last || say(info.kind === "private" ? "bot" : info.kind),
        lead: avatar(info.title, "var(--bot)"),
        badge: this.unread.get(info.chat_id),
        choose: () => this.openChat(info.chat_id),
      })),
    );
  }

  #menu() {
    const info = this.#info;
    const blocking = info?.kind === "private" && info.started;
    this.sheets.choose(this.person.name, [
      { text: say("edit_person"), sign: "pencil", hint: this.person.phone_number, choose: () => this.#edit() },
      { text: say("scan_or_open"), sign: "scan", choose: () => this.#scanOrOpen() },
      ...(blocking
        ? [
            {
              text: say(info.blocked ? "unblock" : "block"),
              sign: "person_off",
              danger: !info.blocked,
              choose: () => this.#do((chat) => (info.blocked ? chat.unblock() : chat.block())),
            },
          ]
        : []),
      { text: say("put_away"), sign: "close", choose: () => this.desk.putAway(this) },
    ]);
  }

  #edit() {
    const fields = personFields(this.person);
    const save = el("button", { type: "submit", form: `person-${this.id}`, class: "primary" }, say("save"));
    const form = el("form", { id: `person-${this.id}`, class: "fields" }, fields.nodes);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.sheets.close();
      this.#change({ ...asPerson(fields.name.value), language_code: fields.language.value });
    });
    this.sheets.show(say("edit_person"), form, [save]);
  }

  #change(changes) {
    return this.#attempt(async () => this.rename(await api.changePerson(this.id, changes)));
  }

  #scanOrOpen() {
    const link = el("input", { type: "url", required: true, placeholder: say("link_example"), autocomplete: "off", "aria-label": say("link") });
    const form = el(
      "form",
      { class: "inline-form" },
      link,
      el("button", { type: "submit", class: "primary" }, say("open")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.sheets.close();
      const address = link.value.trim();
      if (!this.#follow(address)) this.sheets.toast(say("link_refused", { link: address }));
    });
    const pick = el(
      "button",
      { type: "button", class: "choice", onclick: () => this.#scanFile() },
      icon("scan"),
      say("scan_picture"),
    );
    this.sheets.show(say("scan_or_open"), el("div", { class: "fields" }, pick, form));
  }

  async #scanFile() {
    const file = await chooseFile("image/*");
    this.sheets.close();
    if (file) this.#attempt(async () => this.#opened(await api.scanImage(this.id, file)));
  }

  #attach() {
    this.sheets.choose(say("attach"), [
      { text: say("photo"), sign: "photo", choose: () => this.#pickPicture() },
      { text: say("document"), sign: "document", choose: () => this.#pickDocument() },
      { text: say("send_voice"), sign: "voice", choose: () => this.#speak() },
      { text: say("location"), sign: "location", choose: () => this.#choosePlace() },
      { text: say("contact"), sign: "contact", choose: () => this.#chooseContact() },
    ]);
  }

  async #pickPicture() {
    const file = await chooseFile("image/*");
    if (file) this.#sendPicture(file);
  }

  #sendPicture(file) {
    previewPicture(this.sheets, file, (caption) => this.#do((chat) => chat.sendPhoto(file, caption)));
  }

  async #pickDocument() {
    const file = await chooseFile("");
    if (file) this.#do((chat) => chat.sendDocument(file));
  }

  #speak() {
    const seconds = 3;
    this.#do((chat) => chat.sendVoice(hum(seconds), seconds));
  }

  #choosePlace() {
    choosePlace(this.sheets, {
      key: this.id,
      places: this.desk.places,
      send: (latitude, longitude) => this.#do((chat) => chat.shareLocation(latitude, longitude)),
    });
  }

  #chooseContact() {
    chooseContact(this.sheets, this.person, (number) => this.#do((chat) => chat.shareContact(number)));
  }
}
