// The kernels of rows.cu for the CPU: -I engine/tensorrt.

#include "../flow/cuda_on_host.h"
#include "rows.cu"

#define KERNEL(kernel) \
    if (!std::strcmp(name, #kernel)) \
    return host::launch_packed(kernel, grid, block, shared_bytes, packed, order)

extern "C" int launch(const char* name, Index grid, Index block, size_t shared_bytes, char* packed,
                      host::Order order) {
    KERNEL(keep);
    KERNEL(gather);
    KERNEL(scatter);
    return host::NO_SUCH_KERNEL;
}
