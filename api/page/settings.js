// What is asked of the model besides the messages. null means that the model's own value holds.

import { read, write } from "./storage.js";

const storageKey = "tandem-settings";

// The ranges that the server accepts (engine/sampling/sampling_params.cc). A top_p of 0 is refused.
export const fields = {
  temperature: { min: 0, max: 2, step: 0.05 },
  top_p: { min: 0.05, max: 1, step: 0.01 },
  top_k: { min: 0, max: 1000000, step: 1 },
  min_p: { min: 0, max: 1, step: "any" },
  repetition_penalty: { min: 0.1, max: 10, step: "any" },
  max_tokens: { min: 1, max: 1000000, step: 1 },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
};

export const presets = [
  { label: "panel.chat", temperature: 0.8, top_p: 0.9 },
  { label: "panel.questions", temperature: 0.5, top_p: 0.9 },
  { label: "panel.code", temperature: 0.2, top_p: 0.95 },
  { label: "panel.creative", temperature: 0.9, top_p: 0.85 },
  { label: "panel.translation", temperature: 0.3, top_p: 0.95 },
  { label: "panel.model_own", temperature: null, top_p: null },
];

function defaults() {
  const values = { system: "" };
  for (const name of Object.keys(fields)) values[name] = null;
  const { temperature, top_p } = presets[0];
  return { ...values, temperature, top_p };
}

export function isValid(name, value) {
  const { min, max, step } = fields[name];
  return Number.isFinite(value) && value >= min && value <= max &&
    (step !== 1 || Number.isInteger(value));
}

export class Settings {
  values = defaults();

  constructor() {
    const stored = read(storageKey) ?? {};
    if (typeof stored.system === "string") this.values.system = stored.system;
    for (const name of Object.keys(fields)) {
      if (stored[name] === null || isValid(name, stored[name])) this.values[name] = stored[name];
    }
  }

  set(changes) {
    Object.assign(this.values, changes);
    write(storageKey, this.values);
  }

  reset() {
    this.set(defaults());
  }

  // The preset with these values, if there is one.
  preset() {
    const { temperature, top_p } = this.values;
    return presets.find((each) => each.temperature === temperature && each.top_p === top_p);
  }
}
