// tandem chat: a conversation with a model in this terminal, or a list of prompts.

#include <fmt/format.h>

#include <fstream>
#include <limits>
#include <ostream>
#include <random>

#include "api/cli/chat_options.h"
#include "api/cli/chat_session.h"
#include "api/cli/command_line.h"
#include "api/cli/command_settings.h"
#include "api/cli/interrupt.h"
#include "api/cli/line_editor.h"
#include "api/cli/local_engine.h"
#include "api/cli/terminal_text.h"
#include "api/routes/chat_prompt.h"
#include "kernels/core/error.h"

namespace tandem {

namespace {

constexpr char kFence[] = "\"\"\"";
constexpr uint64_t kListSeed = 2026;

// MiniMind's terminal test.
constexpr const char* kMiniMindPrompts[] = {
    "你有什么特长？",
    "为什么天空是蓝色的",
    "请用Python写一个计算斐波那契数列的函数",
    "解释一下\"光合作用\"的基本过程",
    "如果明天下雨，我应该如何出门",
    "比较一下猫和狗作为宠物的优缺点",
    "解释什么是机器学习",
    "推荐一些中国的美食",
};

std::string Describe(const LocalAnswer& answer) {
  return fmt::format(
      "[{} tokens, {:.1f} a second, first after {:.3f} s; {} in the prompt, {} of "
      "them remembered{}]\n",
      answer.num_generated, answer.tokens_per_second(), answer.to_first.count(), answer.num_prompt,
      answer.num_cached, answer.reason == FinishReason::kLength ? "; cut off by the length" : "");
}

// What the conversation needs of the model and the terminal.
class Chatter {
 public:
  Chatter(const LoadedModel& model, ChatSession& session, const CommandLine& line)
      : model_(model), session_(session), engine_(model, session.options().model), line_(line) {}

  // Answers the pending message as it comes.
  void Answer(Interrupt& interrupt) {
    const SamplingParams sampling = MakeSamplingParams();
    size_t num_dropped = 0;
    LocalEngine::Prompt prompt = FitPrompt(&num_dropped);
    if (num_dropped > 0) {
      line_.err << fmt::format(
          "(the context is full: the model no longer sees the oldest {} "
          "messages)\n",
          2 * num_dropped);
    }
    GenerationRequest ask;
    ask.sampling = sampling;
    const auto num_prompt = static_cast<int64_t>(prompt.ids.size());
    const int64_t left = engine_.max_context() - num_prompt;
    ask.sampling.max_tokens = std::min(ask.sampling.max_tokens, std::max<int64_t>(left, 1));
    interrupt.Forget();
    const LocalAnswer answer = engine_.Run(
        std::move(prompt), ask,
        {.on_text =
             [this](std::string_view text) { line_.out << TerminalText(text) << std::flush; },
         .keep_going = [&] { return !interrupt.came(); }});
    interrupt.Forget();
    line_.out << '\n' << std::flush;
    if (answer.reason == FinishReason::kCancelled) line_.err << "(stopped)\n";
    if (session_.options().stats) line_.err << Describe(answer);
    session_.Answered(answer.text);
  }

  bool has_template() const { return model_.chat_template.has_value(); }

 private:
  SamplingParams MakeSamplingParams() const {
    const ChatOptions& options = session_.options();
    SamplingParams sampling = MakeSampling(options.sampling, model_.defaults);
    if (!options.sampling.seed) sampling.seed = std::random_device{}();
    sampling.max_tokens =
        options.max_tokens > 0 ? options.max_tokens : std::numeric_limits<int32_t>::max();
    Validate(sampling, model_.runner->limits().vocab_size);
    return sampling;
  }

  LocalEngine::Prompt MakePrompt(size_t max_turns) const {
    if (!has_template()) {
      return {model_.tokenizer->Encode(session_.pending(), SpecialTokens::kAdd),
              session_.pending()};
    }
    std::string text =
        RenderConversation(*model_.chat_template, session_.MakeConversation(max_turns));
    std::vector<TokenId> ids = model_.tokenizer->Encode(text, SpecialTokens::kNone);
    return {std::move(ids), std::move(text)};
  }

  // With as many of the earlier turns as leave room for an answer.
  LocalEngine::Prompt FitPrompt(size_t* num_dropped) const {
    const int64_t wanted = session_.options().max_tokens;
    const int64_t quarter = engine_.max_context() / 4;
    const int64_t room = wanted > 0 ? std::min(wanted, quarter) : quarter;
    const size_t all = has_template() ? session_.num_remembered() : 0;
    for (size_t turns = all;; --turns) {
      LocalEngine::Prompt prompt = MakePrompt(turns);
      const bool fits = static_cast<int64_t>(prompt.ids.size()) + room <= engine_.max_context();
      *num_dropped = all - turns;
      if (fits || turns == 0) return prompt;
    }
  }

  const LoadedModel& model_;
  ChatSession& session_;
  LocalEngine engine_;
  const CommandLine& line_;
};

// A message between """ and """, which may begin and end on lines with text.
LineEditor::Result ReadFenced(LineEditor& editor, std::string& line) {
  std::string text = line.substr(sizeof(kFence) - 1);
  while (true) {
    const size_t end = text.find(kFence);
    if (end != std::string::npos) {
      line = text.substr(0, end);
      return LineEditor::Result::kLine;
    }
    std::string more;
    const auto result = editor.Read("... ", more);
    if (result != LineEditor::Result::kLine) return result;
    text += (text.empty() ? "" : "\n") + more;
  }
}

LineEditor::Result ReadMessage(LineEditor& editor, std::string& line) {
  const auto result = editor.Read("> ", line);
  if (result != LineEditor::Result::kLine) return result;
  editor.Remember(line);
  return line.starts_with(kFence) ? ReadFenced(editor, line) : result;
}

// A refused message is no end of the conversation.
void AnswerOrExplain(Chatter& chatter, Interrupt& interrupt, const CommandLine& line) {
  try {
    chatter.Answer(interrupt);
  } catch (const InvalidRequest& error) {
    line.err << error.what() << '\n';
  } catch (const ConfigError& error) {
    line.err << error.what() << '\n';
  }
}

int Converse(Chatter& chatter, ChatSession& session, Interrupt& interrupt,
             const CommandLine& line) {
  LineEditor editor([&] { return interrupt.came(); });
  if (editor.is_terminal()) line.err << "/help lists the commands; Ctrl-D ends\n";
  while (true) {
    std::string text;
    const auto result = ReadMessage(editor, text);
    if (result == LineEditor::Result::kInterrupted) {
      interrupt.Forget();
      line.err << "\n(Ctrl-D or /quit ends)\n";
      continue;
    }
    if (result == LineEditor::Result::kEnd) break;
    const ChatSession::Outcome outcome = session.Take(text);
    if (!outcome.message.empty()) line.err << outcome.message << '\n';
    if (outcome.next == ChatSession::Next::kQuit) return 0;
    if (outcome.next == ChatSession::Next::kAnswer) AnswerOrExplain(chatter, interrupt, line);
  }
  if (editor.is_terminal()) line.err << '\n';
  return 0;
}

std::vector<std::string> ReadPrompts(const std::string& name) {
  if (name == "minimind") return {std::begin(kMiniMindPrompts), std::end(kMiniMindPrompts)};
  std::ifstream file(name);
  if (!file) throw ConfigError("--prompts " + name + " cannot be read, and is not 'minimind'");
  std::vector<std::string> prompts;
  for (std::string text; std::getline(file, text);) {
    if (!text.empty() && text.back() == '\r') text.pop_back();
    if (!text.empty()) prompts.push_back(text);
  }
  if (prompts.empty()) throw ConfigError("--prompts " + name + " has no prompt; write one a line");
  return prompts;
}

int RunList(const std::vector<std::string>& prompts, Chatter& chatter, ChatSession& session,
            Interrupt& interrupt, const CommandLine& line) {
  for (const std::string& prompt : prompts) {
    line.out << "> " << prompt << '\n' << std::flush;
    session.Ask(prompt);
    chatter.Answer(interrupt);
    line.out << '\n';
  }
  return 0;
}

}  // namespace

int Chat(const CommandLine& line) {
  ChatOptions options;
  Settings settings("tandem chat", kChatSummary);
  AddChatSettings(settings, options);
  IgnoreOtherCommands(settings);
  if (const auto text = settings.Parse(line.argc, line.argv)) {
    line.out << *text;
    return 0;
  }
  options.model.max_num_seqs = 1;
  std::vector<std::string> prompts;
  if (!options.prompts.empty()) {
    prompts = ReadPrompts(options.prompts);
    if (!options.sampling.seed) options.sampling.seed = kListSeed;
    if (!settings.IsSet("history")) options.history = 0;
  }
  ChatSession session(options);
  const LoadedModel model = LoadModel(options.model);
  line.err << model.name << ": " << model.Describe() << '\n';
  Chatter chatter(model, session, line);
  if (!chatter.has_template()) {
    line.err << "this model has no chat template, so it continues your text as it is"
             << (model.chat_template_problem.empty() ? "" : ": " + model.chat_template_problem)
             << " (--chat-template gives it one)\n";
  }
  Interrupt interrupt;
  if (!prompts.empty()) return RunList(prompts, chatter, session, interrupt, line);
  return Converse(chatter, session, interrupt, line);
}

}  // namespace tandem
