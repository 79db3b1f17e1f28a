// How the page speaks to the playground: plain requests, and the stream of what happens.

import { say } from "./words.js";

/** A request that did not work; its message can be shown. */
export class Failure extends Error {}

async function ask(path, { method = "GET", json, form } = {}) {
  const request = { method, headers: {} };
  if (json !== undefined) {
    request.body = JSON.stringify(json);
    request.headers["Content-Type"] = "application/json";
  } else if (form) {
    request.body = form;
  }
  let response;
  try {
    response = await fetch(`/api/${path}`, request);
  } catch {
    throw new Failure(say("unreachable"));
  }
  if (!response.ok) throw new Failure(say("failed", { reason: await reasonOf(response) }));
  return response.json();
}

async function reasonOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

const post = (path, json = {}) => ask(path, { method: "POST", json });

export const people = () => ask("phones");
export const addPerson = (person) => post("phones", person);
export const changePerson = (id, changes) => ask(`phones/${id}`, { method: "PATCH", json: changes });
export const bots = () => ask("bots");
export const places = () => ask("places");

export const chatsOf = (person) => ask(`phones/${person}/chats`);
export const open = (person, link) => post(`phones/${person}/open`, { link });
export const scan = (person, picture) => post(`phones/${person}/scan`, picture);
export const scanImage = (person, file) => upload(`phones/${person}/scan_image`, file);

/** What a person can do in one chat. */
export function chatOf(person, chat) {
  const path = `phones/${person}/chats/${chat}`;
  return {
    messages: () => ask(`${path}/messages?limit=200`),
    say: (text) => post(`${path}/text`, { text }),
    start: () => post(`${path}/start`),
    press: (message, row, column) => post(`${path}/press`, { message_id: message, row, column }),
    shareContact: (number) => post(`${path}/contact`, number ? { phone_number: number } : {}),
    shareLocation: (latitude, longitude) => post(`${path}/location`, { latitude, longitude }),
    sendPhoto: (file, caption) => upload(`${path}/photo`, file, caption),
    sendDocument: (file) => upload(`${path}/document`, file),
    sendVoice: (file, seconds) => upload(`${path}/voice`, file, String(seconds)),
    block: () => post(`${path}/block`),
    unblock: () => post(`${path}/unblock`),
  };
}

export const faults = () => ask("faults");
export const setFault = (fault) => post("faults", fault);
export const limits = () => ask("limits");
export const setLimits = (on) => post("limits", { on });
export const stats = () => ask("stats");

function upload(path, file, caption = "") {
  const form = new FormData();
  form.append("file", file);
  if (caption) form.append("caption", caption);
  return ask(path, { method: "POST", form });
}

const FIRST_RETRY = 500;
const LONGEST_RETRY = 8_000;

/**
 * Follows what happens for as long as the page is open. `connected` is called each time the stream
 * stands (so that what was missed can be loaded), `lost` each time it breaks.
 */
export function follow({ event, connected, lost }) {
  let retry = FIRST_RETRY;
  const connect = () => {
    const stream = new EventSource("/api/events");
    stream.onopen = () => {
      retry = FIRST_RETRY;
      connected();
    };
    stream.onmessage = ({ data }) => event(JSON.parse(data));
    stream.onerror = () => {
      stream.close();
      lost();
      setTimeout(connect, retry);
      retry = Math.min(retry * 2, LONGEST_RETRY);
    };
  };
  connect();
}
