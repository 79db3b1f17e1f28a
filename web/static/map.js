// Maps without tiles: our own figures, and a pin that is set by a press, by dragging or by typing.

const COORDINATES = /^\s*(-?\d{1,2}(?:\.\d+)?)\s*[,，\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/;
const STEP = 20; // pixels that an arrow key moves the pin

for (const box of document.querySelectorAll("[data-map]")) draw(box, JSON.parse(box.dataset.map));

function draw(box, { towns, spots, flags, here, near }) {
  const field = box.dataset.pin && document.getElementById(box.dataset.pin);
  const map = L.map(box, { attributionControl: false, zoomControl: false, maxZoom: 17, zoomSnap: .25 });
  L.control.zoom({ zoomInTitle: box.dataset.closer, zoomOutTitle: box.dataset.farther }).addTo(map);
  const points = [];
  const circle = ([latitude, longitude, name], className, radius) => {
    points.push([latitude, longitude]);
    L.circleMarker([latitude, longitude], { radius, className, weight: 1, fillOpacity: .35, interactive: false })
      .bindTooltip(plain(name), { permanent: true, direction: "right", offset: [radius, 0] })
      .addTo(map);
  };
  for (const town of towns) circle(town, "town", 9);
  const around = points.splice(0);
  for (const spot of spots) circle(spot, "spot", 5);
  for (const [latitude, longitude, name] of flags) {
    points.push([latitude, longitude]);
    L.marker([latitude, longitude], { icon: mark("flag-fill", "flag", [4, 20]), interactive: false, keyboard: false })
      .bindTooltip(plain(name), { permanent: true, direction: "right", offset: [20, -10] })
      .addTo(map);
  }
  if (here) {
    points.push(here);
    L.circleMarker(here, { radius: 8, className: "here", weight: 2, interactive: false }).addTo(map);
  }
  const first = field && read(field.value);
  look(map, first ? [first] : points.length ? points : near ? [near] : around);
  if (field) follow(map, field, first, box.dataset.pinName);
}

// Names of places are written by people: as text, never as markup.
function plain(name) {
  const span = document.createElement("span");
  span.textContent = name;
  return span;
}

function mark(icon, kind, anchor) {
  return L.divIcon({ className: `mark ${kind}`, html: `<i class="bi bi-${icon}" aria-hidden="true"></i>`, iconSize: null, iconAnchor: anchor });
}

// The points fill the map; a single one is seen with its surroundings.
function look(map, points) {
  if (points.length > 1) map.fitBounds(points, { padding: [40, 30], maxZoom: 14 });
  else map.setView(points[0] ?? [22.5, 113.4], points.length ? 12 : 10);
}

function read(text) {
  const found = COORDINATES.exec(text);
  return found && Math.abs(found[1]) <= 90 && Math.abs(found[2]) <= 180 ? [Number(found[1]), Number(found[2])] : null;
}

function follow(map, field, first, name) {
  const pin = L.marker(first ?? map.getCenter(), { icon: mark("geo-alt-fill", "pin", [15, 30]), draggable: true, keyboard: true });
  const write = ({ lat, lng }) => {
    field.value = `${lat.toFixed(5)}, ${lng.toFixed(5)}`;
  };
  const show = () => {
    if (!map.hasLayer(pin)) pin.addTo(map);
    pin.getElement().setAttribute("aria-label", name);
  };
  if (first) show();
  map.on("click", ({ latlng }) => {
    pin.setLatLng(latlng);
    show();
    write(latlng);
  });
  pin.on("dragend", () => write(pin.getLatLng()));
  pin.on("keydown", ({ originalEvent: event }) => {
    const moved = { ArrowUp: [0, -STEP], ArrowDown: [0, STEP], ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0] }[event.key];
    if (!moved) return;
    event.preventDefault();
    event.stopPropagation();
    pin.setLatLng(map.containerPointToLatLng(map.latLngToContainerPoint(pin.getLatLng()).add(moved)));
    write(pin.getLatLng());
  });
  field.addEventListener("input", () => {
    const typed = read(field.value);
    if (!typed) return;
    pin.setLatLng(typed);
    show();
    map.panTo(typed);
  });
}
