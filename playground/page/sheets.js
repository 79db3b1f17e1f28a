// What comes up over a phone's screen: sheets from below, alerts in the middle, toasts.

import { el, icon, iconButton } from "./dom.js";
import { say } from "./words.js";

const TOAST_SECONDS = 4;
const FOCUSABLE = ".map, input:not([type=file]), textarea, select, .choices button, .sheet-foot button";

export class Sheets {
  /** `stage` is what lies below and cannot be reached while a sheet is open. */
  constructor(stage) {
    this.stage = stage;
    this.toasts = el("div", { class: "toasts", role: "status", "aria-live": "polite" });
    this.holder = el("div", { class: "sheet-holder", hidden: true });
    this.holder.addEventListener("click", (event) => {
      if (event.target === this.holder && this.open?.kind !== "alert") this.close();
    });
    this.holder.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    this.waiting = [];
    this.open = null;
  }

  /** A sheet with a title; `foot` are the buttons below. It replaces one that is open. */
  show(title, content, foot = []) {
    const node = el(
      "div",
      { class: "sheet", role: "dialog", "aria-label": title, "aria-modal": "true" },
      el(
        "header",
        { class: "sheet-head" },
        el("h2", {}, title),
        iconButton("close", say("close"), () => this.close()),
      ),
      el("div", { class: "sheet-body" }, content),
      foot.length ? el("footer", { class: "sheet-foot" }, foot) : null,
    );
    this.#put("sheet", node);
    return node;
  }

  /** A list to choose from: [{text, sign, hint, badge, danger, lead, choose}]. */
  choose(title, items) {
    const list = el(
      "ul",
      { class: "choices" },
      items.map((item) =>
        el(
          "li",
          {},
          el(
            "button",
            {
              type: "button",
              class: item.danger ? "danger" : null,
              onclick: () => {
                this.close();
                item.choose();
              },
            },
            item.lead ?? (item.sign && icon(item.sign)),
            el("span", { class: "choice-text" }, item.text, item.hint && el("small", {}, item.hint)),
            item.badge ? el("span", { class: "badge" }, String(item.badge)) : null,
          ),
        ),
      ),
    );
    return this.show(title, list);
  }

  /** The answer to a button that must be acknowledged. Several wait for each other. */
  alert(text) {
    if (this.open?.kind === "alert") {
      this.waiting.push(text);
      return;
    }
    const node = el(
      "div",
      { class: "alert", role: "alertdialog", "aria-label": text, "aria-modal": "true" },
      el("p", {}, text),
      el("button", { type: "button", class: "plain", onclick: () => this.close() }, say("ok")),
    );
    this.#put("alert", node);
  }

  toast(text) {
    const node = el("div", { class: "toast" }, text);
    this.toasts.append(node);
    setTimeout(() => node.remove(), TOAST_SECONDS * 1000);
  }

  close() {
    if (!this.open) return;
    const { focused } = this.open;
    this.open = null;
    this.stage.inert = false;
    this.holder.hidden = true;
    this.holder.replaceChildren();
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    const next = this.waiting.shift();
    if (next) this.alert(next);
  }

  #put(kind, node) {
    const focused = this.open?.focused ?? document.activeElement;
    this.open = { kind, focused };
    this.holder.replaceChildren(node);
    this.holder.hidden = false;
    this.stage.inert = true;
    (node.querySelector(FOCUSABLE) ?? node.querySelector("button"))?.focus({ preventScroll: true });
  }
}
