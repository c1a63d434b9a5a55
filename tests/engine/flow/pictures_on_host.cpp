// The kernels of pictures.cu for the CPU: -I engine/flow.

#include "cuda_on_host.h"
#include "pictures.cu"

#define KERNEL(kernel) \
    if (!std::strcmp(name, #kernel)) \
    return host::launch_packed(kernel, grid, block, shared_bytes, packed, order)

extern "C" int launch(const char* name, Index grid, Index block, size_t shared_bytes, char* packed,
                      host::Order order) {
    KERNEL(resize);
    KERNEL(grey);
    KERNEL(quantise);
    KERNEL(crop);
    KERNEL(stack);
    return host::NO_SUCH_KERNEL;
}
