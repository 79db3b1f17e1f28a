// Who holds the phones: the fields of a person, and the dialog that puts one more on the desk.

import * as api from "./api.js";
import { avatar, el, iconButton, labelled } from "./dom.js";
import { language, say, sayIfKnown } from "./words.js";

const LISTED = 30;

/** A name as it is written, as first and last name: the family name comes first in Chinese. */
export function asPerson(name) {
  const written = name.trim();
  if (/^[\u4e00-\u9fff]{2,}$/.test(written)) {
    return { last_name: written.slice(0, 1), first_name: written.slice(1) };
  }
  const [first, ...others] = written.split(/\s+/);
  return { first_name: first, last_name: others.join(" ") };
}

/** Name and language of a person, as fields of a form. */
export function personFields(person = null) {
  const name = el("input", {
    type: "text",
    required: true,
    maxlength: 60,
    autocomplete: "off",
    placeholder: say("name_example"),
    value: person?.name ?? "",
  });
  const spoken = person?.language_code ?? (language === "zh" ? "zh-hans" : "en");
  const chosen = el(
    "select",
    {},
    [["zh-hans", "中文"], ["en", "English"]].map(([code, text]) =>
      el("option", { value: code, selected: spoken.slice(0, 2) === code.slice(0, 2) }, text),
    ),
  );
  return {
    name,
    language: chosen,
    nodes: [labelled(say("name"), name), labelled(say("language"), chosen)],
  };
}

/** Asks for one more phone: somebody new, or one of the people that are not on the desk. */
export function askForPhone({ others, take }) {
  const dialog = el("dialog", { class: "dialog", "aria-label": say("add_phone") });
  const close = () => dialog.close();
  dialog.append(
    el(
      "header",
      { class: "sheet-head" },
      el("h2", {}, say("add_phone")),
      iconButton("close", say("close"), close),
    ),
    el("div", { class: "sheet-body" }, newPerson(take, close), others.length ? known(others, take, close) : ""),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("input").focus();
}

function newPerson(take, close) {
  const fields = personFields();
  const number = el("input", { type: "tel", autocomplete: "off", placeholder: "+86138…" });
  const wrong = el("p", { class: "wrong", role: "alert", hidden: true });
  const form = el(
    "form",
    { class: "fields" },
    el("h3", {}, say("new_person")),
    fields.nodes,
    labelled(say("phone_number"), number, say("phone_number_hint")),
    wrong,
    el("button", { type: "submit", class: "primary" }, say("add")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!fields.name.value.trim()) {
      wrong.textContent = say("name_missing");
      wrong.hidden = false;
      return;
    }
    try {
      const phoneNumber = number.value.trim() || undefined;
      take(
        await api.addPerson({
          ...asPerson(fields.name.value),
          language_code: fields.language.value,
          phone_number: phoneNumber,
        }),
      );
      close();
    } catch (failure) {
      if (!(failure instanceof api.Failure)) throw failure;
      wrong.textContent = failure.message;
      wrong.hidden = false;
    }
  });
  return form;
}

function known(others, take, close) {
  const list = el("ul", { class: "choices" });
  const find = el("input", { type: "search", placeholder: say("find_person"), "aria-label": say("find_person") });
  const show = () => {
    const wanted = find.value.trim().toLowerCase();
    const found = others.filter(({ name }) => name.toLowerCase().includes(wanted));
    list.replaceChildren(...found.slice(0, LISTED).map((person) => knownPerson(person, take, close)));
    const rest = found.length - LISTED;
    if (rest > 0) list.append(el("li", { class: "hint" }, say("more_people", { count: rest })));
    if (!found.length) list.append(el("li", { class: "hint" }, say("nobody_found")));
  };
  find.addEventListener("input", show);
  show();
  return el("div", { class: "fields known" }, el("h3", {}, say("known_people")), find, list);
}

function knownPerson(person, take, close) {
  const choose = () => {
    take(person);
    close();
  };
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", onclick: choose },
      avatar(person.name, person.color),
      el(
        "span",
        { class: "choice-text" },
        person.name,
        el("small", {}, person.role ? sayIfKnown(person.role) : person.phone_number),
      ),
    ),
  );
}
