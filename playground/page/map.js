// A drawn map without tiles: a grid of degrees, places as dots, a pin. Degrees are WGS-84.

import { el, iconButton, svg } from "./dom.js";
import { say } from "./words.js";

const METRES_PER_DEGREE = 111_320;
const WIDTH = 360;
const HEIGHT = 300;
const NEAREST = 0.05; // metres a pixel
const FARTHEST = 20_000;
const STEPS = [1, 2, 5];
const NAME_HEIGHT = 12; // pixels, as the next two
const ZOOM_WIDTH = 50;
const BELOW_ZOOM = 118;

/** A small still picture of a point, for a message. */
export function plan({ latitude, longitude }) {
  const view = new View(latitude, longitude, 8, 240, 104);
  const drawing = svg("svg", { class: "plan", viewBox: "0 0 240 104", "aria-hidden": "true" });
  drawing.append(...view.grid({ labels: false }), pinAt(120, 58));
  return drawing;
}

/**
 * The map on which a pin is put. `moved(latitude, longitude)` is called as the pin moves.
 * `places` are dots with names: [{name, latitude, longitude}].
 */
export class MapPicker {
  constructor({ latitude, longitude, places, moved }) {
    this.point = { latitude, longitude };
    this.places = places;
    this.moved = moved;
    this.view = new View(latitude, longitude, 60, WIDTH, HEIGHT);
    this.drawing = svg("svg", {
      class: "map",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      tabindex: "0",
      role: "application",
      "aria-label": say("map"),
    });
    this.drawing.addEventListener("pointerdown", (event) => this.#press(event));
    this.drawing.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.drawing.addEventListener("keydown", (event) => this.#key(event));
    this.node = el(
      "div",
      { class: "map-frame" },
      this.drawing,
      el(
        "div",
        { class: "map-zoom" },
        iconButton("add", say("zoom_in"), () => this.zoom(0.5)),
        iconButton("remove", say("zoom_out"), () => this.zoom(2)),
      ),
    );
    this.draw();
  }

  /** Puts the pin somewhere; the map follows if it would be out of sight. */
  put(latitude, longitude) {
    this.point = {
      latitude: Math.min(Math.max(latitude, -90), 90),
      longitude: ((((longitude + 180) % 360) + 360) % 360) - 180,
    };
    const [x, y] = this.view.at(this.point);
    if (x < 20 || x > WIDTH - 20 || y < 40 || y > HEIGHT - 20) this.view.centre(this.point);
    this.draw();
  }

  zoom(factor) {
    this.view.centre(this.point);
    this.view.scale = Math.min(Math.max(this.view.scale * factor, NEAREST), FARTHEST);
    this.draw();
  }

  draw() {
    const [x, y] = this.view.at(this.point);
    const taken = this.places.map((place) => this.#room(place, -4, 8));
    this.drawing.replaceChildren(
      ...this.view.grid({ labels: true }),
      ...this.places.flatMap((place) => this.#dot(place, taken)),
      this.view.ruler(),
      pinAt(x, y),
    );
  }

  /** A place, with its name where that covers no other one: to the right, else to the left. */
  #dot(place, taken) {
    const [x, y] = this.view.at(place);
    if (x < 0 || x > WIDTH || y < 0 || y > HEIGHT) return [];
    const dot = svg("circle", { cx: x, cy: y, r: 3.5, class: "place-dot" });
    const width = widthOf(place.name);
    const edge = y < BELOW_ZOOM ? WIDTH - ZOOM_WIDTH : WIDTH;
    const free = [7, -7 - width]
      .map((offset) => this.#room(place, offset, width))
      .find((room) => room.left > 0 && room.right < edge && !taken.some((other) => overlap(room, other)));
    if (!free) return [dot];
    taken.push(free);
    const name = svg("text", { x: free.left, y: y + 4, class: "place-name" });
    name.textContent = place.name;
    return [dot, name];
  }

  /** The stretch beside a place that a dot or a name takes, in pixels. */
  #room(place, offset, width) {
    const [x, y] = this.view.at(place);
    return { left: x + offset, right: x + offset + width, y };
  }

  /** Pressing near the pin drags it, pressing elsewhere drags the map; a plain click puts the pin. */
  #press(event) {
    event.preventDefault();
    this.drawing.focus();
    const begin = this.#spot(event);
    const [pinX, pinY] = this.view.at(this.point);
    const holdsPin = Math.hypot(begin.x - pinX, begin.y - (pinY - 14)) < 26;
    const centre = { latitude: this.view.latitude, longitude: this.view.longitude };
    let dragged = false;
    const move = (next) => {
      const spot = this.#spot(next);
      const [dx, dy] = [spot.x - begin.x, spot.y - begin.y];
      dragged ||= Math.hypot(dx, dy) > 4;
      if (!dragged) return;
      if (holdsPin) {
        this.point = this.view.from(pinX + dx, pinY + dy);
        this.moved(this.point.latitude, this.point.longitude);
      } else {
        this.view.centre(centre);
        this.view.centre(this.view.from(WIDTH / 2 - dx, HEIGHT / 2 - dy));
      }
      this.draw();
    };
    const end = () => {
      this.drawing.removeEventListener("pointermove", move);
      this.drawing.removeEventListener("pointerup", end);
      this.drawing.removeEventListener("pointercancel", end);
      if (!dragged && !holdsPin) {
        this.point = this.view.from(begin.x, begin.y);
        this.moved(this.point.latitude, this.point.longitude);
        this.draw();
      }
    };
    this.drawing.setPointerCapture(event.pointerId);
    this.drawing.addEventListener("pointermove", move);
    this.drawing.addEventListener("pointerup", end);
    this.drawing.addEventListener("pointercancel", end);
  }

  #spot(event) {
    const frame = this.drawing.getBoundingClientRect();
    return {
      x: ((event.clientX - frame.left) / frame.width) * WIDTH,
      y: ((event.clientY - frame.top) / frame.height) * HEIGHT,
    };
  }

  #wheel(event) {
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.25 : 0.8);
  }

  #key(event) {
    const steps = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key in steps) {
      const [dx, dy] = steps[event.key];
      const [x, y] = this.view.at(this.point);
      const { latitude, longitude } = this.view.from(x + dx * 8, y + dy * 8);
      this.put(latitude, longitude);
      this.moved(this.point.latitude, this.point.longitude);
    } else return;
    event.preventDefault();
  }
}

/** What part of the world is drawn: its centre, and `scale` metres a pixel. */
class View {
  constructor(latitude, longitude, scale, width, height) {
    Object.assign(this, { latitude, longitude, scale, width, height });
  }

  centre({ latitude, longitude }) {
    this.latitude = latitude;
    this.longitude = longitude;
  }

  get #degreesUp() {
    return this.scale / METRES_PER_DEGREE;
  }

  get #degreesAcross() {
    return this.#degreesUp / Math.max(Math.cos((this.latitude * Math.PI) / 180), 0.01);
  }

  at({ latitude, longitude }) {
    return [
      this.width / 2 + (longitude - this.longitude) / this.#degreesAcross,
      this.height / 2 - (latitude - this.latitude) / this.#degreesUp,
    ];
  }

  from(x, y) {
    return {
      latitude: this.latitude - (y - this.height / 2) * this.#degreesUp,
      longitude: this.longitude + (x - this.width / 2) * this.#degreesAcross,
    };
  }

  /** Lines at round degrees, about 70 pixels apart. */
  grid({ labels }) {
    const step = roundUp(70 * this.#degreesUp);
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const lines = [svg("rect", { width: this.width, height: this.height, class: "ground" })];
    const top = this.from(0, 0);
    const bottom = this.from(this.width, this.height);
    const label = (x, y, value) => {
      const text = svg("text", { x, y, class: "grid-label" });
      text.textContent = `${value.toFixed(digits)}°`;
      lines.push(text);
    };
    for (let at = Math.ceil(bottom.latitude / step); at * step < top.latitude; at += 1) {
      const [, y] = this.at({ latitude: at * step, longitude: this.longitude });
      lines.push(svg("line", { x1: 0, x2: this.width, y1: y, y2: y, class: "grid-line" }));
      if (labels && y > 24) label(4, y - 3, at * step);
    }
    for (let at = Math.ceil(top.longitude / step); at * step < bottom.longitude; at += 1) {
      const [x] = this.at({ latitude: this.latitude, longitude: at * step });
      lines.push(svg("line", { y1: 0, y2: this.height, x1: x, x2: x, class: "grid-line" }));
      if (labels) label(x + 3, 11, at * step);
    }
    return lines;
  }

  ruler() {
    const metres = roundUp(40 * this.scale);
    const length = metres / this.scale;
    const [x, y] = [this.width - length - 12, this.height - 12];
    const text = svg("text", { x: x + length / 2, y: y - 5, class: "ruler-label" });
    text.textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
    const bar = svg("path", { d: `M${x} ${y - 4}V${y}H${x + length}V${y - 4}`, class: "ruler" });
    return svg("g", {}, bar, text);
  }
}

/** The next of 1, 2, 5, 10, 20, 50 ... */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [...STEPS, 10].find((candidate) => candidate * power >= value * 0.999);
  return Number((step * power).toPrecision(3));
}

function overlap(one, other) {
  const beside = one.left > other.right || one.right < other.left;
  return !beside && Math.abs(one.y - other.y) < NAME_HEIGHT;
}

/** How wide a name will be, about: a Chinese character takes as much as two letters. */
function widthOf(name) {
  return [...name].reduce((sum, letter) => sum + (letter > "\u2e80" ? 11 : 6), 0);
}

function pinAt(x, y) {
  return svg(
    "g",
    { class: "pin", transform: `translate(${x} ${y})` },
    svg("ellipse", { rx: 5, ry: 2, class: "pin-shadow" }),
    svg("path", { d: "M0 0C-3-8-10-12-10-20A10 10 0 0 1 10-20C10-12 3-8 0 0Z" }),
    svg("circle", { cy: -20, r: 3.6 }),
  );
}
