#include "trainer/evaluation/text_windows.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tandem {

TextWindows::TextWindows(std::span<const TokenId> ids, const WindowOptions& options)
    : ids_(ids), options_(options) {
  CHECK(!ids.empty());
  CHECK(options.context >= 2 && options.stride >= 1 && options.stride < options.context,
        options.context, options.stride);
}

int64_t TextWindows::num_windows() const {
  const int64_t left = std::ssize(ids_) - (options_.context - 1);  // behind the first window
  return 1 + (left <= 0 ? 0 : (left + options_.stride - 1) / options_.stride);
}

TrainSample TextWindows::Window(int64_t index) const {
  const int64_t size = options_.context - 1;
  const int64_t begin = index * options_.stride;
  const int64_t end = std::min(begin + size, std::ssize(ids_));
  const int64_t scored = index == 0 ? 0 : begin - options_.stride + size;
  TrainSample window;
  window.ids.push_back(options_.start);
  window.ids.insert(window.ids.end(), ids_.begin() + begin, ids_.begin() + end);
  window.is_target.assign(window.ids.size(), 0);
  std::fill(window.is_target.begin() + 1 + (scored - begin), window.is_target.end(), uint8_t{1});
  return window;
}

}  // namespace tandem
