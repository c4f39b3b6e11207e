#include "api/routes/event_stream.h"

namespace tandem {

HttpResponse StreamHead() {
  HttpResponse head;
  head.content_type = "text/event-stream; charset=utf-8";
  head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  return head;
}

ChunkUsage ChunkUsageOf(const GenerationRequest& ask) {
  if (ask.continuous_usage) return ChunkUsage::kAlways;
  return ask.include_usage ? ChunkUsage::kNull : ChunkUsage::kAbsent;
}

}  // namespace tandem
