// Building the page out of elements. Text is only ever set as text here.

/** An element; attributes that begin with "on" are listeners, false and null leave one out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const ICONS = {
  add: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  bell_off: "M6.3 9a6 6 0 0 1 .4-1.6M9 4.8A6 6 0 0 1 18 10c0 2.6.5 4.3 1.1 5.4M17 17H4c1-1.2 2-3 2-7M10 20.5h4M4 4l16 16",
  camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clip: "M19 11.5l-7.5 7.5a4.6 4.6 0 0 1-6.5-6.5L13 4.5a3.1 3.1 0 0 1 4.4 4.4l-7.9 7.9a1.6 1.6 0 0 1-2.2-2.2l7.2-7.2",
  close: "M6 6l12 12M18 6L6 18",
  contact: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20.5c.7-3.6 3.8-5.5 7.5-5.5s6.8 1.9 7.5 5.5",
  controls: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  document: "M6 3.5h8l4.5 4.5V20.5H6zM13.5 3.5V8.5h5",
  down: "M6 9.5l6 6 6-6",
  download: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
  group: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 19.5c.5-3.2 3.2-5 6.5-5s6 1.8 6.5 5M15.5 5a3.3 3.3 0 0 1 0 6.2M17.5 14.8c2.1.6 3.6 2.2 4 4.7",
  keyboard: "M3 6.5h18v11H3zM7 10.5h.01M11 10.5h.01M15 10.5h.01M18 10.5h.01M8 14h8",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  location: "M12 21s-6.5-5.8-6.5-11a6.5 6.5 0 0 1 13 0c0 5.2-6.5 11-6.5 11M12 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
  more: "M12 5.5h.01M12 12h.01M12 18.5h.01",
  pencil: "M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5z",
  person_off: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17M6 6l12 12",
  photo: "M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 9.5h.01",
  pin: "M9 4h6l-1 6 3.5 3.5h-11L10 10zM12 13.5V20.5",
  remove: "M5 12h14",
  scan: "M4 8.5V4h4.5M15.5 4H20v4.5M20 15.5V20h-4.5M8.5 20H4v-4.5M4 12h16",
  send: "M4 12L20 4.5 14.5 20l-3-6.5zM11.5 13.5L20 4.5",
  slash: "M14.5 5l-5 14",
  voice: "M4 10.5v3M8 7.5v9M12 4.5v15M16 8.5v7M20 10.5v3",
};

/** A drawn sign, hidden from readers unless it has a label. */
export function icon(name, label = "") {
  const shape = svg("svg", { viewBox: "0 0 24 24", class: `icon icon-${name}` }, svg("path", { d: ICONS[name] }));
  if (label) {
    shape.setAttribute("role", "img");
    shape.setAttribute("aria-label", label);
    shape.append(Object.assign(svg("title"), { textContent: label }));
  } else {
    shape.setAttribute("aria-hidden", "true");
  }
  return shape;
}

/** A button that shows only a sign. */
export function iconButton(name, label, onclick, attributes = {}) {
  return el(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes },
    icon(name),
  );
}

/** A field with its label; `field.value` is what was typed. */
export function labelled(label, field, hint = "") {
  return el("label", { class: "field" }, el("span", {}, label), field, hint && el("small", {}, hint));
}

/** A round sign with the first letter of a name. */
export function avatar(name, color) {
  const letter = [...name.trim()].at(/^[\u4e00-\u9fff]+$/.test(name) ? -1 : 0) ?? "?";
  const node = el("span", { class: "avatar", "aria-hidden": "true" }, letter.toUpperCase());
  node.style.setProperty("--color", color);
  return node;
}
