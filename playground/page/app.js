// The desk: which phones lie on it, the bar above, the tabs below on a small screen.

import * as api from "./api.js";
import { avatar, el, icon, iconButton } from "./dom.js";
import { recall, remember } from "./memory.js";
import { Operator } from "./operator.js";
import { askForPhone } from "./people.js";
import { Phone } from "./phone.js";
import { enlarge } from "./picture.js";
import { say, sayIfKnown, switchLanguage } from "./words.js";

const FIRST_SHOWN = 3; // phones on the desk until somebody chooses
const MINUTE = 60_000;
const SETTLING = 80; // milliseconds in which several new people are taken together

class Desk {
  constructor() {
    this.people = [];
    this.bots = [];
    this.places = [];
    this.phones = new Map();
    this.missed = new Map();
    this.active = recall("active");
    this.operator = new Operator(() => [...this.phones.values()].map(({ person }) => person));
    this.#build();
    api.follow({
      event: (event) => this.#hear(event),
      connected: () => this.#load(),
      lost: () => this.#showConnection(false),
    });
    setInterval(() => this.phones.forEach((phone) => phone.tick()), MINUTE / 6);
  }

  #build() {
    document.title = say("title");
    this.connection = el("span", { class: "connection", role: "status" });
    this.operatorButton = iconButton("controls", say("operator"), () => this.operator.toggle(this.operatorButton), {
      "aria-expanded": "false",
    });
    this.row = el("main", { class: "desk" });
    this.tabs = el("nav", { class: "tabs", "aria-label": say("title") });
    document.body.append(
      el(
        "header",
        { class: "top" },
        el("span", { class: "logo", "aria-hidden": "true" }),
        el("div", { class: "top-text" }, el("h1", {}, say("title")), el("p", {}, say("subtitle"))),
        this.connection,
        el(
          "button",
          { type: "button", class: "plain", title: say("switch_language"), onclick: switchLanguage },
          say("other_language"),
        ),
        this.operatorButton,
        el("button", { type: "button", class: "primary", onclick: () => this.#add() }, icon("add"), say("add_phone")),
      ),
      this.row,
      this.tabs,
      this.operator.node,
    );
    this.#showConnection(false);
  }

  #showConnection(stands) {
    document.documentElement.classList.toggle("offline", !stands);
    this.connection.textContent = say(stands ? "connected" : "disconnected");
  }

  // What there is

  /** Everything afresh: at the start, and after the stream was broken. */
  async #load() {
    try {
      [this.bots, this.places] = await Promise.all([api.bots(), api.places()]);
      await this.#loadPeople();
      await Promise.all([...this.phones.values()].map((phone) => phone.load()));
      this.#showConnection(true);
    } catch (failure) {
      if (!(failure instanceof api.Failure)) throw failure;
      this.connection.textContent = failure.message;
    }
  }

  async #loadPeople() {
    this.people = await api.people();
    const known = new Map(this.people.map((person) => [person.id, person]));
    for (const [id, phone] of this.phones) {
      if (known.has(id)) phone.rename(known.get(id));
      else this.#take(phone);
    }
    const chosen = (recall("desk") ?? []).filter((id) => known.has(id));
    const shown = chosen.length ? chosen : this.people.slice(0, FIRST_SHOWN).map(({ id }) => id);
    const fresh = shown.filter((id) => !this.phones.has(id)).map((id) => this.#lay(known.get(id)));
    this.#showTabs();
    this.operator.showPeople();
    return fresh;
  }

  /** Lays a phone on the desk. */
  #lay(person) {
    const phone = new Phone(person, this);
    this.phones.set(person.id, phone);
    this.row.append(phone.node);
    return phone;
  }

  #take(phone) {
    this.phones.delete(phone.id);
    phone.node.remove();
  }

  putAway(phone) {
    this.#take(phone);
    this.#rememberDesk();
    this.#showTabs();
    this.operator.showPeople();
  }

  #rememberDesk() {
    remember("desk", [...this.phones.keys()]);
  }

  #add() {
    askForPhone({
      others: this.people.filter(({ id }) => !this.phones.has(id)),
      take: (person) => this.#addPhone(person),
    });
  }

  async #addPhone(person) {
    const phone = this.phones.get(person.id) ?? this.#lay(person);
    this.#rememberDesk();
    this.show(phone);
    this.operator.showPeople();
    await phone.load();
  }

  #hear(event) {
    if (event.type === "phones") this.#peopleChanged();
    else if (event.type === "commands") this.phones.forEach((phone) => phone.refreshChats());
    else this.phones.get(event.phone)?.hear(event);
  }

  #peopleChanged() {
    clearTimeout(this.reloading);
    this.reloading = setTimeout(async () => {
      try {
        const fresh = await this.#loadPeople();
        await Promise.all(fresh.map((phone) => phone.load()));
      } catch (failure) {
        if (!(failure instanceof api.Failure)) throw failure; // the stream breaks too, and loads anew
      }
    }, SETTLING);
  }

  // Which phone is in front, on a small screen

  show(phone) {
    this.active = phone.id;
    remember("active", phone.id);
    this.missed.delete(phone.id);
    this.#showTabs();
    phone.node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** A phone got a message, or was read. */
  noticed(phone = null) {
    if (phone && !phone.node.checkVisibility()) this.missed.set(phone.id, (this.missed.get(phone.id) ?? 0) + 1);
    this.#showTabs();
  }

  #showTabs() {
    if (!this.phones.has(this.active)) this.active = this.phones.keys().next().value;
    this.phones.forEach((phone) => phone.node.classList.toggle("active", phone.id === this.active));
    const focused = [...this.tabs.children].indexOf(document.activeElement);
    this.tabs.replaceChildren(
      ...[...this.phones.values()].map((phone) => this.#tab(phone)),
      iconButton("add", say("add_phone"), () => this.#add()),
      iconButton("controls", say("operator"), ({ currentTarget }) => this.operator.toggle(currentTarget)),
      el("button", { type: "button", class: "icon-button", "aria-label": say("switch_language"), onclick: switchLanguage }, say("other_language").slice(0, 2)),
    );
    this.tabs.children[focused]?.focus();
    this.row.classList.toggle("bare", this.phones.size === 0);
    this.row.dataset.hint = say("no_phones");
  }

  #tab(phone) {
    const { person } = phone;
    const missed = this.missed.get(phone.id);
    return el(
      "button",
      {
        type: "button",
        class: "tab",
        "aria-current": phone.id === this.active ? "true" : null,
        onclick: () => this.show(phone),
      },
      el("span", { class: "tab-face" }, avatar(person.name, person.color), missed ? el("span", { class: "badge", "aria-label": say("unread", { count: missed }) }, String(missed)) : null),
      el("span", { class: "tab-name" }, person.role ? sayIfKnown(person.role) : person.name),
    );
  }

  // Pictures

  enlarge(phone, message) {
    enlarge(message, () => this.scan(phone, message));
  }

  /** Asks which phone scans the code in a picture, and opens there what it says. */
  scan(phone, message) {
    const others = [...this.phones.values()].filter((other) => other !== phone);
    const picture = { phone: phone.id, chat_id: phone.chat.id, message_id: message.id };
    phone.sheets.choose(
      say("scan_with_whom"),
      (others.length ? others : [phone]).map((other) => ({
        text: other.person.name,
        hint: other.person.role && sayIfKnown(other.person.role),
        lead: avatar(other.person.name, other.person.color),
        choose: () => {
          this.show(other);
          other.scan(picture);
        },
      })),
    );
  }
}

new Desk();
