// The messages of one chat on one phone: what there is, drawn in order, kept at the newest.

import { el, iconButton } from "./dom.js";
import { drawMessage, drawNote } from "./message.js";
import { day, say } from "./words.js";

const NEAR_END = 48; // pixels from the end that still count as being there

export class Chat {
  /**
   * `load` answers {messages, reply_keyboard, chat} of the server; `does` is what the controls of a
   * message do (see message.js); `grouped` shows who has written.
   */
  constructor({ title, grouped, load, does }) {
    this.grouped = grouped;
    this.does = does;
    this.fetch = load;
    this.messages = new Map();
    this.nodes = new Map();
    this.meanwhile = null;
    this.atEnd = true;
    this.sizes = "";
    this.unseen = 0;
    this.list = el("ol", { class: "messages", role: "log", "aria-label": title, "aria-live": "polite" });
    this.scroller = el("div", { class: "scroller", tabindex: "0", "aria-label": title }, this.list);
    this.badge = el("span", { class: "badge" });
    this.toNewest = iconButton("down", say("newest"), () => this.scrollToEnd(), { hidden: true });
    this.toNewest.classList.add("to-newest");
    this.toNewest.append(this.badge);
    this.node = el("div", { class: "chat" }, this.scroller, this.toNewest);
    this.scroller.addEventListener("scroll", () => this.#scrolled());
    const sizes = new ResizeObserver(() => this.#keepAtEnd());
    sizes.observe(this.scroller);
    sizes.observe(this.list);
  }

  /**
   * Loads everything afresh. What happens in the meantime is applied on top of it, once, and the
   * answer says that it was `overtaken`: its keyboard and chat are then older than what was heard.
   */
  async load() {
    const happened = [];
    this.meanwhile = happened;
    let answer;
    try {
      answer = await this.fetch();
    } catch (failure) {
      if (this.meanwhile === happened) this.meanwhile = null;
      throw failure;
    }
    if (this.meanwhile !== happened) return null; // a later load has taken over
    this.meanwhile = null;
    this.messages.clear();
    this.nodes.clear();
    this.list.replaceChildren();
    for (const message of answer.messages) this.#put(message);
    for (const [type, message] of happened) this.#apply(type, message);
    this.#keepAtEnd();
    return { ...answer, overtaken: happened.length > 0 };
  }

  /** Something happened to a message: "message", "edit" or "delete". */
  hear(type, message) {
    this.meanwhile?.push([type, message]);
    this.#apply(type, message);
  }

  #apply(type, message) {
    if (type === "delete" || message.deleted) {
      this.#remove(message.id);
      return;
    }
    const known = this.messages.get(message.id);
    if (known && known.revision > message.revision) return;
    if (type === "edit" && !known) return; // older than what is shown
    this.#put(message);
    if (known && known.revision < message.revision) this.#flash(message.id);
    if (!known) this.#arrived(message);
  }

  #arrived(message) {
    if (message.out) this.atEnd = true;
    if (!this.atEnd) {
      this.unseen += 1;
      this.#showWay();
    }
    this.nodes.get(message.id).classList.add("arrived");
    this.#keepAtEnd();
  }

  #put(message) {
    const before = this.#before(message.id);
    this.messages.set(message.id, message);
    const node = drawMessage(message, {
      replied: this.messages.get(message.reply_to),
      showSender: this.grouped && !message.out && before?.from.name !== message.from.name,
      does: this.does,
    });
    const shown = this.nodes.get(message.id);
    this.nodes.set(message.id, node);
    if (shown) {
      replaceKeepingFocus(shown, node);
      return;
    }
    const date = day(new Date(message.date));
    if (!before || day(new Date(before.date)) !== date) this.list.append(drawNote(date));
    this.list.append(node);
  }

  /** The message before a new one; ids only grow. */
  #before(id) {
    let found = null;
    for (const message of this.messages.values()) if (message.id < id) found = message;
    return found;
  }

  #remove(id) {
    this.messages.delete(id);
    const node = this.nodes.get(id);
    this.nodes.delete(id);
    if (!node) return;
    const note = node.previousElementSibling;
    const alone = note?.classList.contains("note") && !node.nextElementSibling?.matches(".message");
    node.remove();
    if (alone) note.remove();
  }

  #flash(id) {
    this.nodes.get(id).classList.add("changed");
  }

  // Staying at the newest

  scrollToEnd() {
    this.atEnd = true;
    this.#keepAtEnd();
  }

  #keepAtEnd() {
    if (this.atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.sizes = this.#sizes();
    this.#showWay();
  }

  #sizes() {
    return `${this.scroller.clientHeight} ${this.scroller.scrollHeight}`;
  }

  /** Only a person's scrolling leaves the end, not a keyboard that comes up or a picture that grows. */
  #scrolled() {
    if (this.sizes !== this.#sizes()) return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.#showWay();
  }

  #showWay() {
    if (this.atEnd) this.unseen = 0;
    this.toNewest.hidden = this.atEnd;
    this.badge.textContent = this.unseen || "";
  }
}

function replaceKeepingFocus(old, node) {
  const position = [...old.querySelectorAll("button, a")].indexOf(document.activeElement);
  old.replaceWith(node);
  if (position >= 0) node.querySelectorAll("button, a")[position]?.focus({ preventScroll: true });
}
