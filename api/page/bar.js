// The buttons of the bar that all pages have: theme and language.

import { byId, setIcon } from "./dom.js";
import { currentLanguage, label, onLanguage, setLanguage, t } from "./i18n.js";
import { currentTheme, nextTheme } from "./theme.js";

const themeLabels = { auto: "page.theme_auto", light: "page.theme_light", dark: "page.theme_dark" };

function showTheme() {
  setIcon(byId("theme"), currentTheme());
  label(byId("theme"), t(themeLabels[currentTheme()]));
}

function showLanguageButton() {
  byId("language").textContent = t("page.language");
  label(byId("language"), t("page.language_label"));
}

export function setUpBar() {
  byId("theme").addEventListener("click", () => {
    nextTheme();
    showTheme();
  });
  byId("language").addEventListener("click", () =>
    setLanguage(currentLanguage() === "zh" ? "en" : "zh"));
  onLanguage(showTheme);
  onLanguage(showLanguageButton);
  showTheme();
  showLanguageButton();
}
