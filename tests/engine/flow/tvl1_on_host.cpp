// The TV-L1 kernels for the CPU: -I engine/flow.

#include "cuda_on_host.h"
#include "tvl1.cu"

#define KERNEL(kernel) \
    if (!std::strcmp(name, #kernel)) \
    return host::launch(kernel, grid, block, shared_bytes, arguments, order)

extern "C" int launch(const char* name, Index grid, Index block, size_t shared_bytes,
                      void** arguments, host::Order order) {
    KERNEL(widen);
    KERNEL(shrink);
    KERNEL(enlarge);
    KERNEL(separate);
    KERNEL(differentiate);
    KERNEL(linearise);
    KERNEL(iterate_fp32);
    KERNEL(iterate_fp16);
    return host::NO_SUCH_KERNEL;
}
