// The operator's drawer: what the playground is doing, its limits and the faults it makes.

import * as api from "./api.js";
import { el, iconButton, labelled, svg } from "./dom.js";
import { say } from "./words.js";

const EVERY = 1_000; // milliseconds between looks while the drawer is open
const REMEMBERED = 60; // looks in the curve
const COMMON_METHODS = [
  "sendMessage", "sendPhoto", "sendDocument", "sendVenue", "editMessageText", "editMessageReplyMarkup",
  "answerCallbackQuery", "deleteMessage", "getUpdates",
];
const FAULTS = {
  fault_429: { kind: "fail", status: 429 },
  fault_403: { kind: "fail", status: 403 },
  fault_500: { kind: "fail", status: 500 },
  fault_drop_before: { kind: "drop", when: "before" },
  fault_drop_after: { kind: "drop", when: "after" },
  fault_delay: { kind: "delay" },
};
const NEEDS_SECONDS = new Set(["fault_429", "fault_delay"]);

export class Operator {
  /** `people` answers whose chats a fault can be limited to. */
  constructor(people) {
    this.people = people;
    this.rates = [];
    this.last = null;
    this.node = el("aside", { class: "drawer", "aria-label": say("operator"), hidden: true });
    this.node.append(
      el(
        "header",
        { class: "sheet-head" },
        el("h2", {}, say("operator")),
        iconButton("close", say("close"), () => this.close()),
      ),
      this.#statistics(),
      this.#limits(),
      this.#faults(),
    );
    this.node.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  toggle(opener) {
    if (this.node.hidden) this.open(opener);
    else this.close();
  }

  open(opener) {
    this.opener = opener;
    this.node.hidden = false;
    this.opener?.setAttribute("aria-expanded", "true");
    this.#look();
    this.looking = setInterval(() => this.#look(), EVERY);
    this.node.querySelector("button").focus();
  }

  close() {
    clearInterval(this.looking);
    this.node.hidden = true;
    this.opener?.setAttribute("aria-expanded", "false");
    this.opener?.focus();
  }

  async #look() {
    try {
      const [stats, limits, faults] = await Promise.all([api.stats(), api.limits(), api.faults()]);
      this.#showStatistics(stats);
      this.strict.checked = limits.on;
      this.#showFaults(faults);
    } catch (failure) {
      if (!(failure instanceof api.Failure)) throw failure;
      this.last = null; // the next number must not look like a burst
    }
  }

  // Statistics

  #statistics() {
    this.numbers = {};
    const figure = (key) => {
      this.numbers[key] = el("strong", {}, "0");
      return el("div", { class: "figure" }, this.numbers[key], el("span", {}, say(key)));
    };
    this.curve = svg("polyline", { points: "", class: "curve" });
    this.methods = el("ul", { class: "methods" });
    return el(
      "section",
      {},
      el("h3", {}, say("statistics")),
      el("div", { class: "figures" }, ["calls_a_second", "calls", "refused", "waiting"].map(figure)),
      svg("svg", { viewBox: "0 0 240 40", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" }, this.curve),
      el("details", {}, el("summary", {}, say("by_method")), this.methods),
    );
  }

  #showStatistics({ calls, refused, waiting, by_method: byMethod }) {
    const now = performance.now();
    if (this.last) {
      const seconds = (now - this.last.at) / 1000;
      this.rates = [...this.rates, (calls - this.last.calls) / seconds].slice(-REMEMBERED);
    }
    this.last = { at: now, calls };
    const rate = this.rates.at(-1) ?? 0;
    const shown = { calls_a_second: rate < 10 ? rate.toFixed(1) : Math.round(rate), calls, refused, waiting };
    for (const [key, value] of Object.entries(shown)) this.numbers[key].textContent = value;
    const highest = Math.max(...this.rates, 1);
    const points = this.rates.map((r, at) => `${(at / (REMEMBERED - 1)) * 240},${38 - (r / highest) * 36}`);
    this.curve.setAttribute("points", points.join(" "));
    this.#showMethods(byMethod);
  }

  #showMethods(byMethod) {
    const most = Math.max(...Object.values(byMethod), 1);
    this.methods.replaceChildren(
      ...Object.entries(byMethod).map(([method, count]) => {
        const bar = el("i", {});
        bar.style.width = `${(count / most) * 100}%`;
        return el("li", {}, bar, el("span", {}, method), el("strong", {}, String(count)));
      }),
    );
  }

  // Limits

  #limits() {
    this.strict = el("input", { type: "checkbox", role: "switch" });
    this.strict.addEventListener("change", () => this.#attempt(() => api.setLimits(this.strict.checked)));
    return el(
      "section",
      {},
      el("h3", {}, say("limits")),
      el(
        "label",
        { class: "switch" },
        el("span", {}, say("strict_limits"), el("small", {}, say("strict_limits_hint"))),
        this.strict,
      ),
    );
  }

  // Faults

  #faults() {
    const options = Object.keys(FAULTS).map((key) => el("option", { value: key }, say(key)));
    this.kind = el("select", {}, options);
    this.method = el("input", { type: "text", list: "methods", autocomplete: "off", placeholder: say("every_method") });
    this.whose = el("select", {});
    this.times = el("input", { type: "number", min: 1, value: 1 });
    this.seconds = el("input", { type: "number", min: 0.1, step: 0.1, value: 3 });
    const whose = labelled(say("whose_chat"), this.whose);
    const seconds = labelled(say("seconds"), this.seconds);
    const fit = () => {
      whose.hidden = FAULTS[this.kind.value].kind !== "fail";
      seconds.hidden = !NEEDS_SECONDS.has(this.kind.value);
    };
    this.kind.addEventListener("change", fit);
    fit();
    const form = el(
      "form",
      { class: "fields" },
      labelled(say("fault"), this.kind),
      labelled(say("method"), this.method),
      el("datalist", { id: "methods" }, COMMON_METHODS.map((name) => el("option", { value: name }))),
      whose,
      el("div", { class: "pair" }, labelled(say("times"), this.times, say("times_hint")), seconds),
      el("button", { type: "submit", class: "primary" }, say("switch_on")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#attempt(() => api.setFault(this.#asked()));
    });
    this.active = el("ul", { class: "active-faults" });
    this.clear = el(
      "button",
      { type: "button", class: "plain", onclick: () => this.#attempt(() => api.setFault({ kind: "clear" })) },
      say("clear_faults"),
    );
    return el("section", {}, el("h3", {}, say("faults")), this.active, this.clear, form);
  }

  /** What the form says, as the server wants it. */
  #asked() {
    const fault = { ...FAULTS[this.kind.value] };
    const seconds = Number(this.seconds.value) || 1;
    fault.times = this.times.value ? Number(this.times.value) : null;
    fault.method = this.method.value.trim() || null;
    if (fault.kind === "fail" && this.whose.value) fault.chat_id = Number(this.whose.value);
    if (fault.status === 429) fault.retry_after = Math.ceil(seconds);
    if (fault.kind === "delay") fault.seconds = seconds;
    return fault;
  }

  /** To be called when the phones on the desk have changed. */
  showPeople() {
    const chosen = this.whose.value;
    this.whose.replaceChildren(
      el("option", { value: "" }, say("everybody")),
      ...this.people().map(({ id, name }) => el("option", { value: id }, name)),
    );
    this.whose.value = chosen;
    if (this.whose.selectedIndex < 0) this.whose.value = ""; // theirs was put away
  }

  #showFaults(faults) {
    this.clear.hidden = !faults.length;
    this.active.replaceChildren(
      ...(faults.length ? faults : [null]).map((fault) =>
        fault ? el("li", {}, el("span", {}, nameOf(fault)), el("small", {}, detailsOf(fault))) : el("li", { class: "hint" }, say("no_faults")),
      ),
    );
  }

  async #attempt(deed) {
    try {
      await deed();
    } catch (failure) {
      if (!(failure instanceof api.Failure)) throw failure;
      this.active.replaceChildren(el("li", { class: "wrong", role: "alert" }, failure.message));
      return;
    }
    await this.#look();
  }
}

function nameOf({ kind, status }) {
  if (kind !== "fail") return say(`fault_${kind}`);
  return [429, 403, 500].includes(status) ? say(`fault_${status}`) : String(status);
}

function detailsOf({ method, times }) {
  const often = times === null ? say("until_cleared") : say("times_left", { count: times });
  return `${method ?? say("every_method")} · ${often}`;
}
