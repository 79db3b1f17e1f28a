// Where a person writes: the field, the commands, what can be attached, the keys of the bot.

import { el, iconButton } from "./dom.js";
import { say } from "./words.js";

const TALLEST = 120; // pixels

/**
 * `does` is what the controls do: say(text), start(), unblock(), attach(), key(button),
 * picture(file).
 */
export class Composer {
  constructor(does) {
    this.does = does;
    this.drafts = new Map();
    this.chat = null;
    this.keyboard = null;
    this.keysHidden = false;
    this.commandChosen = 0;

    this.menu = iconButton("slash", say("commands"), () => this.#toggleCommands(), { "aria-expanded": "false" });
    this.attach = iconButton("clip", say("attach"), () => does.attach());
    this.toggleKeys = iconButton("keyboard", say("hide_keyboard"), () => this.#toggleKeys());
    this.field = el("textarea", { rows: 1, enterkeyhint: "send", autocomplete: "off" });
    this.sendButton = iconButton("send", say("send"), () => this.#send(), { class: "icon-button send" });
    this.commands = el("ul", { class: "commands", role: "listbox", "aria-label": say("commands"), hidden: true });
    this.bar = el(
      "div",
      { class: "composer" },
      this.menu,
      el("div", { class: "composer-field" }, this.field, this.toggleKeys, this.attach),
      this.sendButton,
    );
    this.keys = el("div", { class: "keys", hidden: true });
    this.startButton = el("button", { type: "button", class: "wide", onclick: () => this.#begin() });
    this.node = el("div", { class: "bottom" }, this.commands, this.bar, this.startButton, this.keys);

    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("paste", (event) => this.#paste(event));
  }

  /** Turns to a chat (as the server tells of it) and its keys. */
  show(chat, keyboard) {
    if (this.chat && this.chat.chat_id !== chat.chat_id) {
      this.drafts.set(this.chat.chat_id, this.field.value);
      this.field.value = this.drafts.get(chat.chat_id) ?? "";
      this.keysHidden = false;
    }
    this.chat = chat;
    const waiting = chat.kind === "private" && (!chat.started || chat.blocked);
    this.bar.hidden = waiting;
    this.startButton.hidden = !waiting;
    this.startButton.textContent = say(chat.blocked ? "unblock" : "start");
    this.menu.hidden = !chat.commands.length;
    this.field.setAttribute("aria-label", say("message_to", { title: chat.title }));
    this.#hideCommands();
    this.setKeyboard(waiting ? null : keyboard);
    this.#typed();
  }

  setKeyboard(keyboard) {
    if (JSON.stringify(keyboard) !== JSON.stringify(this.keyboard)) {
      this.keysHidden = false;
      this.keyboard = keyboard;
      this.keys.replaceChildren(...(keyboard?.rows ?? []).map((row) => this.#keyRow(row)));
    }
    this.field.placeholder = keyboard?.placeholder || say("message");
    this.toggleKeys.hidden = !keyboard;
    this.keys.hidden = !keyboard || this.keysHidden;
    const label = say(this.keysHidden ? "show_keyboard" : "hide_keyboard");
    this.toggleKeys.setAttribute("aria-label", label);
    this.toggleKeys.title = label;
    this.toggleKeys.setAttribute("aria-expanded", String(!this.keys.hidden));
  }

  #keyRow(row) {
    return el(
      "div",
      { class: "keys-row" },
      row.map((key) =>
        el(
          "button",
          { type: "button", onclick: () => this.does.key(key) },
          key.text,
        ),
      ),
    );
  }

  #toggleKeys() {
    this.keysHidden = !this.keysHidden;
    this.setKeyboard(this.keyboard);
  }

  #begin() {
    if (this.chat.blocked) this.does.unblock();
    else this.does.start();
  }

  // Writing

  #send() {
    const text = this.field.value.trim();
    if (!text) return;
    this.field.value = "";
    this.#typed();
    this.does.say(text);
    this.field.focus({ preventScroll: true });
  }

  #typed() {
    this.field.style.height = "auto";
    if (this.field.scrollHeight) {
      this.field.style.height = `${Math.min(this.field.scrollHeight, TALLEST)}px`;
    }
    this.sendButton.disabled = !this.field.value.trim();
    if (/^\/\w*$/.test(this.field.value)) this.#showCommands(this.field.value.slice(1));
    else this.#hideCommands();
  }

  #key(event) {
    if (event.isComposing) return; // Enter chooses a Chinese word
    const shown = !this.commands.hidden;
    if (shown && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      this.#mark(this.commandChosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (shown && event.key === "Escape") {
      this.#hideCommands();
    } else if (shown && event.key === "Tab" && this.#marked()) {
      this.field.value = this.#marked().dataset.command;
      this.#typed();
    } else if (event.key === "Enter" && !event.shiftKey) {
      if (shown && this.field.value.startsWith("/")) this.#command(this.#marked().dataset.command);
      else this.#send();
    } else return;
    event.preventDefault();
  }

  #paste(event) {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    this.does.picture(file);
  }

  // Commands

  #toggleCommands() {
    if (this.commands.hidden) this.#showCommands("");
    else this.#hideCommands();
  }

  #showCommands(beginning) {
    const fitting = (this.chat?.commands ?? []).filter(({ command }) => command.startsWith(beginning));
    if (!fitting.length) {
      this.#hideCommands();
      return;
    }
    this.commands.replaceChildren(
      ...fitting.map(({ command, description }) =>
        el(
          "li",
          { role: "none" },
          el(
            "button",
            {
              type: "button",
              role: "option",
              "data-command": `/${command}`,
              onclick: () => this.#command(`/${command}`),
            },
            el("strong", {}, `/${command}`),
            el("span", {}, description),
          ),
        ),
      ),
    );
    this.commands.hidden = false;
    this.menu.setAttribute("aria-expanded", "true");
    this.#mark(0);
  }

  #hideCommands() {
    this.commands.hidden = true;
    this.menu.setAttribute("aria-expanded", "false");
  }

  #command(text) {
    this.field.value = "";
    this.#typed();
    this.#hideCommands();
    this.does.say(text);
  }

  #mark(position) {
    const options = [...this.commands.querySelectorAll("button")];
    this.commandChosen = (position + options.length) % options.length;
    options.forEach((option, at) =>
      option.setAttribute("aria-selected", String(at === this.commandChosen)),
    );
    options[this.commandChosen].scrollIntoView({ block: "nearest" });
  }

  #marked() {
    return this.commands.querySelector("[aria-selected=true]");
  }
}
