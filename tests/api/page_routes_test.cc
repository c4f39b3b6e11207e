#include "api/routes/page_routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/routes/page_files.h"
#include "tests/api/support/test_server.h"

namespace tandem {
namespace {

constexpr std::string_view kWordCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

std::string_view FileText(std::string_view name) {
  for (const PageFile& file : PageFiles()) {
    if (file.name == name) return file.bytes;
  }
  ADD_FAILURE() << "the page has no " << name;
  return {};
}

std::vector<PageFile> FilesOfKind(std::string_view extension) {
  std::vector<PageFile> files;
  std::ranges::copy_if(PageFiles(), std::back_inserter(files),
                       [&](const PageFile& file) { return file.name.ends_with(extension); });
  return files;
}

// What stands between each `before` and the next `after` on its line.
std::vector<std::string> Between(std::string_view text, std::string_view before,
                                 std::string_view after) {
  std::vector<std::string> found;
  for (size_t at = text.find(before); at != std::string_view::npos; at = text.find(before, at)) {
    at += before.size();
    const size_t end = text.find(after, at);
    if (end == std::string_view::npos) break;
    if (text.substr(at, end - at).find('\n') == std::string_view::npos) {
      found.emplace_back(text.substr(at, end - at));
    }
  }
  return found;
}

// "chat.title": lower-case words with a dot.
bool LooksLikeKey(std::string_view text) {
  const size_t dot = text.find('.');
  return dot != std::string_view::npos && dot > 0 && dot + 1 < text.size() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.") == std::string_view::npos;
}

std::set<std::string> DefinedKeys(std::string_view table) {
  std::set<std::string> keys;
  for (const std::string& key : Between(FileText(table), "\n  \"", "\": \"")) {
    EXPECT_TRUE(LooksLikeKey(key)) << table << ": " << key;
    EXPECT_TRUE(keys.insert(key).second) << table << " has " << key << " twice";
  }
  return keys;
}

// A key is a literal wherever it is used, also in tables of choices.
std::set<std::string> UsedKeys() {
  std::set<std::string> keys;
  for (const char* attribute :
       {"data-i18n=\"", "data-i18n-label=\"", "data-i18n-aria=\"", "data-i18n-placeholder=\""}) {
    for (const PageFile& page : FilesOfKind(".html")) {
      for (std::string& key : Between(page.bytes, attribute, "\"")) keys.insert(std::move(key));
    }
  }
  for (const PageFile& file : FilesOfKind(".js")) {
    if (file.name == "en.js" || file.name == "zh.js") continue;
    std::string_view text = file.bytes;
    for (size_t at = text.find('"'); at != std::string_view::npos; at = text.find('"', at + 1)) {
      const size_t end = text.find('"', at + 1);
      if (end == std::string_view::npos) break;
      const std::string_view literal = text.substr(at + 1, end - at - 1);
      if (LooksLikeKey(literal)) keys.emplace(literal);
      at = end;
    }
  }
  return keys;
}

std::string Difference(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::string out;
  for (const std::string& key : a) {
    if (!b.contains(key)) out.append(key).append(" ");
  }
  return out;
}

// A page's modules: those that it names, and what they import.
std::set<std::string> ModulesOf(std::string_view page) {
  std::set<std::string> modules;
  std::vector<std::string> open = Between(page, "src=\"assets/", "\"");
  while (!open.empty()) {
    const std::string name = open.back();
    open.pop_back();
    if (!modules.insert(name).second) continue;
    for (const std::string& imported : Between(FileText(name), "from \"./", "\"")) {
      open.push_back(imported);
    }
  }
  return modules;
}

TEST(PageRoutes, ServesEachPageAndEveryFileThatItNames) {
  const TestServer server;
  const std::pair<const char*, const char*> pages[] = {{"/", "index.html"},
                                                       {"/dashboard", "dashboard.html"}};
  for (const auto& [path, file] : pages) {
    const RawResponse page = server.Get(path);
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.Header("content-type"), "text/html; charset=utf-8");
    EXPECT_EQ(page.body, FileText(file));
    const std::vector<std::string> names = Between(page.body, "\"assets/", "\"");
    EXPECT_GE(names.size(), 5u);
    for (const std::string& name : names) {
      const RawResponse response = server.Get("/assets/" + name);
      EXPECT_EQ(response.status, 200) << name;
      EXPECT_EQ(response.body, FileText(name)) << name;
    }
  }
}

TEST(PageRoutes, HasEveryModuleThatAModuleImports) {
  for (const PageFile& file : FilesOfKind(".js")) {
    for (const std::string& name : Between(file.bytes, "from \"", "\"")) {
      ASSERT_TRUE(name.starts_with("./")) << file.name << ": " << name;
      EXPECT_FALSE(FileText(name.substr(2)).empty()) << file.name;
    }
  }
}

TEST(PageRoutes, HasEveryElementThatAModuleOfThePageAsksFor) {
  std::set<std::string> used;
  for (const PageFile& page : FilesOfKind(".html")) {
    for (const std::string& name : ModulesOf(page.bytes)) {
      used.insert(name);
      for (const std::string& id : Between(FileText(name), "byId(\"", "\"")) {
        EXPECT_NE(page.bytes.find(" id=\"" + id + "\""), std::string_view::npos)
            << page.name << ", " << name << ": " << id;
      }
    }
  }
  EXPECT_EQ(used.size(), FilesOfKind(".js").size()) << "a module that no page uses";
}

// What the dashboard reads is what the server writes.
TEST(PageRoutes, NamesOnlyMetricsThatTheServerHas) {
  const TestServer server;
  EXPECT_EQ(server.Post(R"({"prompt":"a"})").status, 200);
  const std::string metrics = server.Get("/metrics").body;
  std::set<std::string> names;
  for (const std::string& module : ModulesOf(FileText("dashboard.html"))) {
    for (const std::string& rest : Between(FileText(module), "\"tandem_", "\"")) {
      names.insert("tandem_" + rest);
    }
  }
  EXPECT_GE(names.size(), 20u);
  for (const std::string& name : names) {
    EXPECT_NE(metrics.find("\n# TYPE " + name + " "), std::string::npos) << name;
  }
}

TEST(PageRoutes, ServesTheFilesOfTheCheckout) {
  const std::filesystem::path folder = std::filesystem::path(TANDEM_SOURCE_DIR) / "api/page";
  for (const PageFile& file : PageFiles()) {
    std::ifstream in(folder / file.name, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(file.bytes, bytes) << file.name;
  }
}

TEST(PageRoutes, TellsTheTypeOfEachFile) {
  const TestServer server;
  EXPECT_EQ(server.Get("/assets/main.js").Header("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(server.Get("/assets/page.css").Header("content-type"), "text/css; charset=utf-8");
  EXPECT_EQ(server.Get("/assets/favicon.svg").Header("content-type"),
            "image/svg+xml; charset=utf-8");
  EXPECT_EQ(server.Get("/favicon.ico").Header("content-type"), "image/svg+xml; charset=utf-8");
}

TEST(PageRoutes, SendsAStrictPolicyWithEachFile) {
  const TestServer server;
  for (const char* path : {"/", "/dashboard", "/assets/main.js", "/favicon.ico"}) {
    const RawResponse response = server.Get(path);
    EXPECT_EQ(response.Header("content-security-policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
              "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    EXPECT_EQ(response.Header("x-content-type-options"), "nosniff");
    EXPECT_EQ(response.Header("referrer-policy"), "no-referrer");
    EXPECT_EQ(response.Header("cache-control"), "no-cache");
  }
}

TEST(PageRoutes, SendsNothingAgainThatTheBrowserHas) {
  const TestServer server;
  const std::string tag(server.Get("/").Header("etag"));
  EXPECT_EQ(tag.size(), 22u) << tag;
  EXPECT_NE(tag, server.Get("/assets/main.js").Header("etag"));
  for (const std::string& known : {tag, "\"other\", W/" + tag, std::string("*")}) {
    RawClient client = server.Connect();
    client.Send("GET / HTTP/1.1\r\nHost: test\r\nIf-None-Match: " + known + "\r\n\r\n");
    const RawResponse response = client.ReadResponse(/*head_only=*/true);
    EXPECT_EQ(response.status, 304) << known;
    EXPECT_EQ(response.Header("etag"), tag);
    EXPECT_EQ(response.Header("content-length"), "");
    EXPECT_EQ(client.input(), "");
  }
  EXPECT_EQ(server.Get("/", "If-None-Match: \"other\"\r\n").status, 200);
}

TEST(PageRoutes, AnswersHeadWithoutABody) {
  const TestServer server;
  RawClient client = server.Connect();
  client.Send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
  const RawResponse response = client.ReadResponse(/*head_only=*/true);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("content-length"), std::to_string(FileText("index.html").size()));
}

TEST(PageRoutes, KnowsNoOtherFiles) {
  const TestServer server;
  for (const char* path :
       {"/assets/", "/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/router.h",
        "/assets//etc/passwd", "/assets/main.js/", "/index.html", "/page/main.js"}) {
    EXPECT_EQ(server.Get(path).status, 404) << path;
  }
}

TEST(PageRoutes, NeedsNoKey) {
  const TestServer server({.keys = {"key"}});
  for (const char* path : {"/", "/dashboard", "/assets/main.js", "/favicon.ico"}) {
    EXPECT_EQ(server.Get(path).status, 200) << path;
  }
}

TEST(PageFiles, NameNothingOutsideTheServer) {
  for (const PageFile& file : PageFiles()) {
    std::string text(file.bytes);
    const std::string svg = "http://www.w3.org/2000/svg";  // a name, not an address
    for (size_t at = text.find(svg); at != std::string::npos; at = text.find(svg)) {
      text.erase(at, svg.size());
    }
    for (const char* outside : {"http:", "https:", "url(", "@import", "\"//", "'//"}) {
      EXPECT_EQ(text.find(outside), std::string::npos) << file.name << ": " << outside;
    }
  }
}

void ExpectNothingInline(std::string_view page) {
  for (const char* inline_form : {"<style", " style=", "javascript:", "<iframe", "<object"}) {
    EXPECT_EQ(page.find(inline_form), std::string_view::npos) << inline_form;
  }
  for (size_t at = page.find("<script"); at != std::string_view::npos;
       at = page.find("<script", at + 1)) {
    const size_t end = page.find("></script>", at);
    ASSERT_NE(end, std::string_view::npos);
    EXPECT_NE(page.substr(at, end - at).find(" src=\"assets/"), std::string_view::npos);
  }
  for (size_t at = page.find(" on"); at != std::string_view::npos; at = page.find(" on", at + 1)) {
    const size_t end = page.find_first_not_of(kWordCharacters, at + 1);
    EXPECT_NE(page[end], '=') << page.substr(at, end - at);
  }
}

TEST(PageFiles, HaveNoInlineScriptOrStyle) {
  for (const PageFile& file : FilesOfKind(".html")) ExpectNothingInline(file.bytes);
}

TEST(PageFiles, NeverMakeMarkupOutOfText) {
  for (const PageFile& file : FilesOfKind(".js")) {
    for (const char* name :
         {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser",
          "createContextualFragment", "eval(", "new Function", "setHTMLUnsafe", "srcdoc"}) {
      EXPECT_EQ(file.bytes.find(name), std::string_view::npos) << file.name << ": " << name;
    }
  }
}

TEST(PageFiles, SayTheSameThingsInBothLanguages) {
  const std::set<std::string> english = DefinedKeys("en.js");
  const std::set<std::string> chinese = DefinedKeys("zh.js");
  EXPECT_GE(english.size(), 50u);
  EXPECT_EQ(Difference(english, chinese), "") << "missing in zh.js";
  EXPECT_EQ(Difference(chinese, english), "") << "missing in en.js";
}

TEST(PageFiles, DefineEveryTextThatIsUsedAndUseEachThatIsDefined) {
  const std::set<std::string> defined = DefinedKeys("en.js");
  const std::set<std::string> used = UsedKeys();
  EXPECT_EQ(Difference(used, defined), "") << "used, not defined";
  EXPECT_EQ(Difference(defined, used), "") << "defined, not used";
}

}  // namespace
}  // namespace tandem
