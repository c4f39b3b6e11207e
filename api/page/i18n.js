// The page's language. Elements say what they show: data-i18n for the text, data-i18n-label for
// label and tooltip, data-i18n-aria for the label alone, data-i18n-placeholder.

import en from "./en.js";
import { read, write } from "./storage.js";
import zh from "./zh.js";

const storageKey = "tandem-language";
const tables = { en, zh };
const codes = { en: "en", zh: "zh-CN" };  // for the lang attribute, which picks fonts

let language = initialLanguage();

function initialLanguage() {
  const stored = read(storageKey);
  if (Object.hasOwn(tables, stored)) return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const currentLanguage = () => language;

// The text of `key`, with {name} replaced by values.name.
export function t(key, values = {}) {
  return tables[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(codes[language], { maximumFractionDigits: digits }).format(value);
}

export function label(node, text) {
  node.setAttribute("aria-label", text);
  node.title = text;
}

export function translatePage() {
  document.documentElement.lang = codes[language];
  const each = (name, apply) => {
    for (const node of document.querySelectorAll(`[${name}]`)) {
      apply(node, t(node.getAttribute(name)));
    }
  };
  each("data-i18n", (node, text) => { node.textContent = text; });
  each("data-i18n-label", label);
  each("data-i18n-aria", (node, text) => node.setAttribute("aria-label", text));
  each("data-i18n-placeholder", (node, text) => { node.placeholder = text; });
}

// Texts that are made from values listen to this event and write themselves again.
export function onLanguage(listener) {
  document.addEventListener("tandem-language", listener);
}

export function setLanguage(name) {
  language = name;
  write(storageKey, name);
  translatePage();
  document.dispatchEvent(new Event("tandem-language"));
}
