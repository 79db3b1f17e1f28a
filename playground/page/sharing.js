// What a person can share besides words: a place, a card, a picture, a file.

import { el } from "./dom.js";
import { MapPicker } from "./map.js";
import { recall, remember } from "./memory.js";
import { say } from "./words.js";

const DIGITS = 6; // of a degree: about a decimetre
const MIDDLE = { latitude: 22.5176, longitude: 113.3926 }; // where a map opens when nothing is known

/** A file from the disk, or null if none was chosen. */
export function chooseFile(accept) {
  const input = el("input", { type: "file", accept, hidden: true });
  document.body.append(input);
  return new Promise((resolve) => {
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  }).finally(() => input.remove());
}

/** Shows a picture with a field for its caption; `send(caption)`. */
export function previewPicture(sheets, file, send) {
  const address = URL.createObjectURL(file);
  const image = el("img", { src: address, alt: say("picture_alone"), class: "preview" });
  image.addEventListener("load", () => URL.revokeObjectURL(address));
  const caption = el("input", { type: "text", maxlength: 1024, placeholder: say("caption"), "aria-label": say("caption") });
  const form = el("form", { class: "fields", id: `picture-${crypto.randomUUID()}` }, image, caption);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sheets.close();
    send(caption.value.trim());
  });
  const button = el("button", { type: "submit", form: form.id, class: "primary" }, say("send_photo"));
  sheets.show(say("send_photo"), form, [button]);
}

/** A made-up voice message of some seconds: a hum that rises and falls, as a WAV file. */
export function hum(seconds) {
  const rate = 8_000;
  const sound = new DataView(new ArrayBuffer(44 + rate * seconds));
  const put = (at, text) => [...text].forEach((sign, i) => sound.setUint8(at + i, sign.charCodeAt(0)));
  put(0, "RIFF");
  sound.setUint32(4, sound.byteLength - 8, true);
  put(8, "WAVEfmt ");
  sound.setUint32(16, 16, true);
  sound.setUint16(20, 1, true); // PCM
  sound.setUint16(22, 1, true); // one channel
  sound.setUint32(24, rate, true);
  sound.setUint32(28, rate, true);
  sound.setUint16(32, 1, true);
  sound.setUint16(34, 8, true); // bits
  put(36, "data");
  sound.setUint32(40, rate * seconds, true);
  for (let i = 0; i < rate * seconds; i += 1) {
    const at = i / rate;
    const pitch = 170 + 50 * Math.sin(at * 5);
    const loud = 40 * Math.abs(Math.sin(at * 9));
    sound.setUint8(44 + i, 128 + loud * Math.sin(2 * Math.PI * pitch * at));
  }
  return new File([sound], "voice.wav", { type: "audio/wav" });
}

/** The own card or another number; `send(number or null)`. */
export function chooseContact(sheets, person, send) {
  const number = el("input", { type: "tel", required: true, placeholder: "+86138…", autocomplete: "off" });
  const form = el(
    "form",
    { class: "inline-form" },
    number,
    el("button", { type: "submit", class: "primary" }, say("yes_send")),
  );
  number.setAttribute("aria-label", say("other_number"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sheets.close();
    send(number.value.trim());
  });
  const own = el(
    "button",
    {
      type: "button",
      class: "choice",
      onclick: () => {
        sheets.close();
        send(null);
      },
    },
    el("span", { class: "choice-text" }, say("own_number"), el("small", {}, person.phone_number)),
  );
  const other = el("div", { class: "field" }, el("span", {}, say("other_number")), form);
  sheets.show(say("share_contact"), el("div", { class: "fields" }, own, other));
}

/** A pin on a drawn map, or typed coordinates; `send(latitude, longitude)`. */
export function choosePlace(sheets, { key, places, send }) {
  const begin = recall(`place.${key}`) ?? places[0] ?? MIDDLE;
  const latitude = coordinate(say("latitude"), begin.latitude);
  const longitude = coordinate(say("longitude"), begin.longitude);
  const wrong = el("p", { class: "wrong", role: "alert", hidden: true }, say("coordinates_wrong"));
  const map = new MapPicker({
    latitude: begin.latitude,
    longitude: begin.longitude,
    places,
    moved: (lat, lon) => write(lat, lon),
  });

  const write = (lat, lon) => {
    latitude.field.value = lat.toFixed(DIGITS);
    longitude.field.value = lon.toFixed(DIGITS);
    wrong.hidden = true;
  };
  const typed = () => {
    const pair = latitude.field.value.split(/[,，\s]+/).filter(Boolean);
    if (pair.length === 2) [latitude.field.value, longitude.field.value] = pair; // both pasted at once
    const point = [latitude, longitude].map(({ field }) => Number(field.value.trim() || NaN));
    const fits = Math.abs(point[0]) <= 90 && Math.abs(point[1]) <= 180;
    wrong.hidden = fits;
    if (fits) map.put(...point);
    return fits ? point : null;
  };

  const form = el(
    "form",
    { class: "fields", id: `place-${key}` },
    map.node,
    places.length ? placeList(places, (place) => {
      map.put(place.latitude, place.longitude);
      write(place.latitude, place.longitude);
    }) : null,
    el("div", { class: "pair" }, latitude.node, longitude.node),
    wrong,
  );
  form.addEventListener("change", typed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const point = typed();
    if (!point) return;
    remember(`place.${key}`, { latitude: point[0], longitude: point[1] });
    sheets.close();
    send(...point);
  });
  const button = el("button", { type: "submit", form: form.id, class: "primary" }, say("send_this_place"));
  sheets.show(say("send_location"), form, [button]);
}

function coordinate(label, value) {
  const field = el("input", { inputmode: "decimal", autocomplete: "off", value: value.toFixed(DIGITS) });
  return { field, node: el("label", { class: "field" }, el("span", {}, label), field) };
}

function placeList(places, go) {
  const list = el(
    "select",
    { "aria-label": say("go_to_place") },
    el("option", { value: "" }, say("go_to_place")),
    places.map((place, at) => el("option", { value: at }, place.name)),
  );
  list.addEventListener("change", (event) => {
    event.stopPropagation(); // it is not a typed coordinate
    if (list.value) go(places[Number(list.value)]);
  });
  return list;
}
