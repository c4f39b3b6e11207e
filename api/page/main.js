// Puts the page together once the server has said which model it serves.

import { setUpBar } from "./bar.js";
import { Chat } from "./chat.js";
import { fetchModel } from "./client.js";
import { Composer } from "./composer.js";
import { byId, textButton } from "./dom.js";
import { conversationText, download } from "./export.js";
import { number, onLanguage, t, translatePage } from "./i18n.js";
import { askForKey, currentKey, setUpKey } from "./key_dialog.js";
import { Panel } from "./panel.js";
import { completionLength } from "./request.js";
import { Settings } from "./settings.js";
import { SettingsPanel } from "./settings_panel.js";

function showModel(model) {
  byId("model").textContent = model.id;
  document.title = `${model.id} · Tandem`;
  const show = () => {
    byId("welcome-title").textContent = t(model.chats ? "chat.title" : "completion.title");
    byId("welcome-text").textContent = t(model.chats ? "chat.text" : "completion.text");
    if (model.context === null) return;
    byId("model").title = t("model.context", { tokens: number(model.context) });
  };
  onLanguage(show);
  show();
}

function startChat(model) {
  const settings = new Settings();
  showModel(model);
  new SettingsPanel(settings, model.chats ? null : completionLength(model));
  const composer = new Composer({
    plain: !model.chats,
    onSend: (text) => chat.send(text),
    onStop: () => chat.stop(),
  });
  const chat = new Chat({
    model,
    settings,
    onBusy: (busy) => {
      byId("log").classList.toggle("running", busy);
      composer.setBusy(busy);
    },
    onMessages: (count) => { byId("welcome").hidden = count > 0; },
  });
  byId("new").addEventListener("click", () => {
    chat.clear();
    composer.focus();
  });
  byId("export").addEventListener("click", () =>
    download(`${model.id.replace(/[^\w.-]+/g, "-")}.md`,
      conversationText(chat.messages, !model.chats)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing && !byId("key-dialog").open) chat.stop();
  });
}

// Until the server answers.
async function findModel() {
  while (true) {
    try {
      return await fetchModel(currentKey());
    } catch (error) {
      if (error.status === 401 && await askForKey()) continue;
      await retryAsked(error);
    }
  }
}

function retryAsked(error) {
  byId("welcome-title").textContent = t("model.none");
  byId("welcome-text").textContent = error.message;
  return new Promise((resolve) => {
    const button = textButton("model.retry", () => {
      button.remove();
      resolve();
    });
    byId("welcome").append(button);
  });
}

translatePage();
setUpBar();
setUpKey();
new Panel();
startChat(await findModel());
