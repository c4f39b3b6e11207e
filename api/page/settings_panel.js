// The form of the settings. What is not valid is said beside its field and not taken.

import { byId, element } from "./dom.js";
import { number, onLanguage, t } from "./i18n.js";
import { fields, isValid, presets } from "./settings.js";

const sliders = ["temperature", "top_p"];

export class SettingsPanel {
  #settings;
  #plainLength;

  // `plainLength`: for a model that only completes, the length where none is set; else null.
  constructor(settings, plainLength) {
    this.#settings = settings;
    this.#plainLength = plainLength;
    byId("system-field").hidden = plainLength !== null;
    byId("fields").addEventListener("submit", (event) => event.preventDefault());
    this.#makePresets();
    for (const name of Object.keys(fields)) this.#bindNumber(name);
    byId("system").addEventListener("input", (event) =>
      settings.set({ system: event.target.value }));
    byId("reset").addEventListener("click", () => {
      settings.reset();
      this.#show();
    });
    onLanguage(() => this.#show());
    this.#show();
  }

  #makePresets() {
    for (const preset of presets) {
      const input = element("input", { type: "radio", name: "preset" });
      const name = element("span", { textContent: t(preset.label) });
      name.dataset.i18n = preset.label;
      byId("presets").append(element("label", { className: "chip" }, input, name));
      input.addEventListener("change", () => {
        const { temperature, top_p } = preset;
        this.#settings.set({ temperature, top_p });
        this.#showSliders();
      });
    }
  }

  #bindNumber(name) {
    const input = byId(name);
    const { min, max, step } = fields[name];
    Object.assign(input, { min, max, step });
    input.addEventListener("input", () => {
      const isEmpty = input.value === "" && !input.validity.badInput;
      const value = isEmpty ? null : input.valueAsNumber;
      const valid = isEmpty || isValid(name, value);
      if (valid) this.#settings.set({ [name]: value });
      if (sliders.includes(name)) this.#showSliders();
      else this.#showProblem(input, valid);
    });
  }

  #showProblem(input, valid) {
    const problem = input.parentElement.querySelector(".problem");
    const { min, max, step } = fields[input.id];
    const values = { min: number(min, 2), max: number(max) };
    input.setAttribute("aria-invalid", !valid);
    problem.hidden = valid;
    problem.textContent = t(step === 1 ? "panel.range_integer" : "panel.range", values);
  }

  #show() {
    const { values } = this.#settings;
    for (const name of Object.keys(fields)) {
      if (sliders.includes(name)) continue;
      byId(name).value = values[name] ?? "";
      this.#showProblem(byId(name), true);
    }
    byId("system").value = values.system;
    if (this.#plainLength !== null) {
      const tokens = number(this.#plainLength);
      byId("max_tokens").placeholder = t("panel.unset_length_completion", { tokens });
    }
    this.#showSliders();
  }

  // Sliders and presets say the same in two ways.
  #showSliders() {
    const { values } = this.#settings;
    for (const name of sliders) {
      const input = byId(name);
      const isSet = values[name] !== null;
      const text = isSet ? number(values[name], 2) : t("panel.unset");
      input.value = values[name] ?? 1;
      input.classList.toggle("unset", !isSet);
      input.setAttribute("aria-valuetext", text);
      input.parentElement.querySelector("output").textContent = text;
    }
    const chosen = presets.indexOf(this.#settings.preset());
    const inputs = [...byId("presets").querySelectorAll("input")];
    inputs.forEach((input, i) => { input.checked = i === chosen; });
  }
}
