// Talks to the server: what model it has, and answers as they come. Paths are relative, so that the
// page also works behind a proxy that moves it.

import { readEvents } from "./sse.js";

// kind: "unreachable", "unreadable", "cut" or "status"; with "status", status and message are the
// server's.
export class RequestError extends Error {
  constructor(kind, { status = 0, message = "", retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { kind, status, retryAfter });
  }
}

function headersWith(key) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  return headers;
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("unreachable");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  throw new RequestError("status", {
    status: response.status,
    message: messageOf(body),
    retryAfter: Number.isNaN(seconds) ? null : seconds,
  });
}

const messageOf = (body) => (typeof body?.error?.message === "string" ? body.error.message : "");

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestError("unreadable");
  }
}

// {id, context, chats}: the model that is served.
export async function fetchModel(key) {
  const response = await send("v1/models", { headers: headersWith(key) });
  const model = parse(await response.text())?.data?.[0];
  if (typeof model?.id !== "string") throw new RequestError("unreadable");
  return {
    id: model.id,
    context: Number.isInteger(model.max_model_len) ? model.max_model_len : null,
    chats: Array.isArray(model.capabilities) && model.capabilities.includes("chat"),
  };
}

// The text of /metrics; unreachable when it does not come within `milliseconds`.
export async function fetchMetrics(key, milliseconds) {
  const response = await send("metrics",
    { headers: headersWith(key), signal: AbortSignal.timeout(milliseconds) });
  return response.text();
}

// The chunks of one answer. Throws RequestError, also for an error that comes inside the stream.
export async function* streamAnswer({ path, body, key, signal }) {
  const response = await send(path,
    { method: "POST", headers: headersWith(key), body: JSON.stringify(body), signal });
  try {
    for await (const data of readEvents(response.body)) {
      const chunk = parse(data);
      if (chunk?.error) {
        const status = Number.isInteger(chunk.error.code) ? chunk.error.code : 0;
        throw new RequestError("status", { status, message: messageOf(chunk) });
      }
      yield chunk;
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof RequestError) throw error;
    throw new RequestError("cut");  // the network failed in the middle
  }
}
