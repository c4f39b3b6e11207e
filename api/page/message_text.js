// What is written under an answer: its numbers, or why there is none.

import { number, t } from "./i18n.js";

export function statsText(message) {
  const { stats, finish } = message;
  const parts = [];
  if (stats) {
    parts.push(tokensText(stats));
    if (stats.speed !== null) parts.push(speedText(stats));
    parts.push(t("stats.first", { seconds: number(stats.firstSeconds, 2) }));
    if (stats.promptTokens !== null) parts.push(promptText(stats));
  }
  if (finish === "length") parts.push(t("stats.length"));
  if (finish === "stopped") parts.push(t("stats.stopped"));
  return parts.join(" · ");
}

function tokensText({ tokens, exact }) {
  if (tokens === 1) return t("stats.one");
  return t(exact ? "stats.tokens" : "stats.about", { tokens: number(tokens) });
}

const speedText = ({ speed }) => t("stats.speed", { speed: number(speed, speed < 100 ? 1 : 0) });

function promptText({ promptTokens, cachedTokens }) {
  const values = { tokens: number(promptTokens), cached: number(cachedTokens) };
  return t(cachedTokens > 0 ? "stats.cached" : "stats.prompt", values);
}

export function errorText({ kind, status, retryAfter, message }) {
  if (kind === "unreachable") return t("error.unreachable");
  if (kind === "cut") return t("error.cut");
  if (kind !== "status") return t("error.unreadable");
  if (status === 401) return t("error.key");
  if (retryAfter !== null && (status === 429 || status === 503)) {
    return t("error.busy", { message: withEnd(message), seconds: number(retryAfter) });
  }
  return message || t("error.status", { status });
}

// The server's sentence comes without its full stop.
const withEnd = (text) => (/[.!?。！？]$/.test(text) || text === "" ? text : `${text}.`);
