// A map on which a click or a dragged pin writes the coordinates into the field that it names.
// Without tiles: what is drawn are the town's own figures.

const PAIR = /^\s*(-?\d{1,3}(?:\.\d+)?)\s*[,，/ ]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/;
const CLOSE = 15;
const RED = "#d8382f";

for (const box of document.querySelectorAll("[data-pin]")) {
  const field = document.getElementById(box.dataset.pin);
  const map = L.map(box, { attributionControl: false, preferCanvas: true });
  const areas = JSON.parse(box.dataset.areas);
  for (const area of areas) {
    const town = area.kind === "town_association";
    L.circleMarker([area.latitude, area.longitude], {
      radius: town ? 6 : 3, weight: 1, color: RED, fillOpacity: town ? 0.5 : 0.2,
    }).bindTooltip(area.name, { permanent: town, direction: "right" }).addTo(map);
  }
  L.control.scale({ imperial: false }).addTo(map);

  let pin = null;
  let near = null;

  function put(at) {
    if (pin === null) {
      pin = L.marker(at, { draggable: true, keyboard: true, alt: box.getAttribute("aria-label") }).addTo(map);
      near = L.circle(at, { radius: Number(box.dataset.radius), color: RED, weight: 2 }).addTo(map);
      pin.on("drag", () => say(pin.getLatLng()));
    }
    pin.setLatLng(at);
    near.setLatLng(at);
  }

  function say(at) {
    field.value = `${at.lat.toFixed(6)}, ${at.lng.toFixed(6)}`;
    put(at);
  }

  function read() {
    const found = PAIR.exec(field.value);
    return found ? L.latLng(Number(found[1]), Number(found[2])) : null;
  }

  map.on("click", (event) => say(event.latlng.wrap()));
  field.addEventListener("input", () => {
    const at = read();
    if (at === null) return;
    put(at);
    map.setView(at, Math.max(map.getZoom(), CLOSE));
  });

  const at = read();
  if (at !== null) {
    map.setView(at, CLOSE);
    put(at);
  } else if (areas.length > 0) {
    map.fitBounds(areas.map((area) => [area.latitude, area.longitude]));
  } else {
    map.setView([0, 0], 1);
  }
}
