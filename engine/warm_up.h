#pragma once
// Steps of no meaning before the first that has one: they make a device's scratch memory grow to
// what the largest step needs, and its recordings of the common shapes, so that no request waits
// for either.

#include "engine/model_runner.h"

namespace tandem {

// On the thread that will run steps, before any: every page may be written. Nothing where steps are
// not recorded, as on the CPU. DeviceError when the device fails.
void WarmUp(ModelRunner& runner);

}  // namespace tandem
