#pragma once
// The records of TensorBoard's event files: the few fields of its protocol buffers that we write,
// and the frame around each record. Pure functions.
//
// tensorboard/compat/proto/event.proto and summary.proto; the frame is that of TFRecord
// (https://www.tensorflow.org/tutorials/load_data/tfrecord).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tandem {

struct Scalar {
  std::string tag;  // "train/loss"
  float value = 0.0f;
};

// Seconds since 1970, as TensorBoard has them.
using WallTime = double;

// The first record of every file.
std::string FileVersionEvent(WallTime time);
// The run goes on with `step`: readers forget what other files of the run have at or after it.
std::string SessionStartEvent(WallTime time, int64_t step);
std::string ScalarsEvent(WallTime time, int64_t step, std::span<const Scalar> scalars);

// Length and content, each with its masked CRC-32C.
std::string FramedRecord(std::string_view content);

}  // namespace tandem
