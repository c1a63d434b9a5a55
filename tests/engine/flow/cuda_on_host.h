// Runs CUDA kernels on a CPU, from their very source: enough of the language for kernels that use
// __syncthreads() and dynamic shared memory. Include this, then the .cu file, then name the kernels.
//
// The threads of a block are fibres of one OS thread: each runs until it meets a barrier or its
// end, then the next one does. The order is the caller's choice. Results that depend on it betray a
// missing barrier, and a block of which some threads meet a barrier that others don't is refused.

#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __launch_bounds__(threads)
#define __align__(bytes) alignas(bytes)

using std::max;
using std::min;

struct float2 { float x, y; };
struct float4 { float x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

inline float from_half(unsigned short half) {
    _Float16 value;
    std::memcpy(&value, &half, sizeof value);
    return value;
}
inline unsigned short to_half(float value) {
    const _Float16 rounded = value;
    unsigned short half;
    std::memcpy(&half, &rounded, sizeof half);
    return half;
}

struct Index { unsigned x, y, z; };
Index gridDim, blockDim, blockIdx, threadIdx;
float2 edges[1 << 13];  // the dynamic shared memory: blocks run one after the other

namespace host {

enum Order { FORWARD, BACKWARD, SCATTERED };
enum Outcome { DONE = 0, DIVERGED = 1, NO_SUCH_KERNEL = 2, TOO_MUCH_SHARED = 3 };

struct Fibre {
    ucontext_t context;
    jmp_buf resume;
    std::vector<char> stack;
    bool started = false, ended = false;
};

constexpr size_t STACK_BYTES = 1 << 15;
ucontext_t scheduler;
jmp_buf back;
Fibre* current = nullptr;
std::function<void()> body;  // what every thread runs
// Of this library alone, as `body` is: a static in a template would be shared by all that are loaded.
std::vector<Fibre> fibres;

// A fibre that has ended waits for the next body: to start another costs a system call.
inline void enter() {
    for (;;) {
        body();
        current->ended = true;
        if (!_setjmp(current->resume)) _longjmp(back, 1);
    }
}

// swapcontext once to get onto the fibre's stack; from then on jumps, which make no system call.
inline void run(Fibre& fibre) {
    current = &fibre;
    if (_setjmp(back)) return;
    if (fibre.started) _longjmp(fibre.resume, 1);
    fibre.started = true;
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.data();
    fibre.context.uc_stack.ss_size = fibre.stack.size();
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, enter, 0);
    setcontext(&fibre.context);
}

inline size_t place(size_t i, size_t count, Order order) {
    if (order == BACKWARD) return count - 1 - i;
    return order == SCATTERED ? (i * 7919 + 13) % count : i;  // 7919 is prime: a permutation
}

inline Outcome run_block(Order order) {
    const size_t count = (size_t)blockDim.x * blockDim.y * blockDim.z;
    fibres.resize(std::max(fibres.size(), count));
    for (size_t t = 0; t < count; ++t) {
        if (!fibres[t].ended) fibres[t].started = false;  // new, or of a block that was refused
        fibres[t].ended = false;
        fibres[t].stack.resize(STACK_BYTES);
    }
    for (size_t ended = 0; ended < count;) {
        ended = 0;
        for (size_t i = 0; i < count; ++i) {
            const unsigned t = place(i, count, order);
            threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y,
                         t / (blockDim.x * blockDim.y)};
            run(fibres[t]);
            ended += fibres[t].ended;
        }
        if (ended != 0 && ended != count) return DIVERGED;
    }
    return DONE;
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<A>*>(arguments[I])...);
}

// As cuLaunchKernel: `arguments` points to each argument.
template <class... A>
Outcome launch(void (*kernel)(A...), const Index& grid, const Index& block, size_t shared_bytes,
               void** arguments, Order order) {
    body = [=] { call(kernel, arguments, std::index_sequence_for<A...>{}); };
    if (shared_bytes > sizeof edges) return TOO_MUCH_SHARED;
    gridDim = grid;
    blockDim = block;
    const size_t blocks = (size_t)grid.x * grid.y * grid.z;
    for (size_t i = 0; i < blocks; ++i) {
        const unsigned b = place(i, blocks, order == SCATTERED ? BACKWARD : order);
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
        // What a block before left there is no initial value.
        std::memset(edges, 0xff, shared_bytes);  // NaN
        if (const Outcome outcome = run_block(order)) return outcome;
    }
    return DONE;
}

// As PyCUDA's launch: the arguments one after the other, aligned as in a C struct.
template <class... A>
Outcome launch_packed(void (*kernel)(A...), const Index& grid, const Index& block,
                      size_t shared_bytes, char* packed, Order order) {
    void* arguments[sizeof...(A)];
    size_t at = 0, i = 0;
    ((at = (at + alignof(A) - 1) / alignof(A) * alignof(A), arguments[i++] = packed + at,
      at += sizeof(A)), ...);
    return launch(kernel, grid, block, shared_bytes, arguments, order);
}

}  // namespace host

inline void __syncthreads() {
    if (!_setjmp(host::current->resume)) _longjmp(host::back, 1);
}
