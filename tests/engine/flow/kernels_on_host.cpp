// All kernels of the way from a frame to a score, for the CPU: -I engine.

#include "cuda_on_host.h"
#include "flow/pictures.cu"
#include "flow/tvl1.cu"
#include "tensorrt/rows.cu"

#define KERNEL(kernel) \
    if (!std::strcmp(name, #kernel)) \
    return host::launch_packed(kernel, grid, block, shared_bytes, packed, order)

extern "C" int launch(const char* name, Index grid, Index block, size_t shared_bytes, char* packed,
                      host::Order order) {
    KERNEL(resize);
    KERNEL(grey);
    KERNEL(exchange);
    KERNEL(crop);
    KERNEL(quantise);
    KERNEL(stack);
    KERNEL(widen);
    KERNEL(shrink);
    KERNEL(enlarge);
    KERNEL(separate);
    KERNEL(differentiate);
    KERNEL(linearise);
    KERNEL(iterate_fp32);
    KERNEL(keep);
    KERNEL(gather);
    KERNEL(scatter);
    return host::NO_SUCH_KERNEL;
}
