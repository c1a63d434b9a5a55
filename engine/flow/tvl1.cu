// TV-L1 optical flow, many pairs of pictures at once.
//
//   [ZPB]  Zach, Pock, Bischof: A Duality Based Approach for Realtime TV-L1 Optical Flow. DAGM 2007.
//   [SMF]  Sanchez, Meinhardt-Llopis, Facciolo: TV-L1 Optical Flow Estimation. IPOL 3, 2013.
//
// Sought is the flow u that minimises the integral of |grad u1| + |grad u2| + lambda |rho(u)|, where
//
//   rho(u) = I1(x + u0) + <grad I1(x + u0), u - u0> - I0(x)
//
// is the residual, linear around u0, the flow so far: each warp renews u0, and a pyramid brings it
// near. The convex relaxation of [ZPB] gives the data term a copy v of u, held to it by
// |u - v|^2 / (2 theta), so that both halves of the problem have a solution in each point:
//
//   v = u + TH(rho(u))                       v for a fixed u: the thresholding step
//   u = v + theta div p                      u for a fixed v: the ROF model, by dual variables p
//   p = (p + tau/theta grad u) / (1 + tau/theta |grad u|)     Chambolle's fixed-point step for p
//
// in the order and with the signs of [SMF]'s algorithm. What the papers leave open is as in OpenCV's
// CPU version: a bilinear pyramid, bicubic warps of I1 and its gradient with zeros outside. Unlike
// there, u is not median filtered and the number of iterations is fixed: the launches depend on the
// pictures' size alone, so a CUDA graph can hold them.
//
// Pictures are [height,width], without gaps between rows; the grid's z counts pictures or pairs.

// ---- Storage of the dual variables: (p11, p12, p21, p22), of which fp16 halves the traffic ----
struct __align__(8) Half4 { unsigned short x, y, z, w; };

#ifdef __CUDACC__  // PTX, since NVRTC comes without cuda_fp16.h
__device__ inline float from_half(unsigned short h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
__device__ inline unsigned short to_half(float f) {
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}
#endif

__device__ inline float4 load(const float4* p) { return *p; }
__device__ inline float4 load(const Half4* p) {
    const Half4 h = *p;
    return make_float4(from_half(h.x), from_half(h.y), from_half(h.z), from_half(h.w));
}
__device__ inline void store(float4* p, float4 v) { *p = v; }
__device__ inline void store(Half4* p, float4 v) {
    *p = Half4{to_half(v.x), to_half(v.y), to_half(v.z), to_half(v.w)};
}

// ---- The pyramid: a thread for each pixel -----------------------------------------------------
struct Pixel {
    int x, y, width, height;
    __device__ Pixel(int width, int height)
        : x(blockIdx.x * blockDim.x + threadIdx.x), y(blockIdx.y * blockDim.y + threadIdx.y),
          width(width), height(height) {}
    __device__ bool outside() const { return x >= width || y >= height; }
    __device__ size_t at() const { return ((size_t)blockIdx.z * height + y) * width + x; }
};

__device__ inline int held(int i, int size) { return min(max(i, 0), size - 1); }

// Bytes I0, I1 [pairs,height,width] -> pictures [2,pairs,height,width]; the grid's z is 2 pairs.
extern "C" __global__ void widen(const unsigned char* I0, const unsigned char* I1, float* pictures,
                                 int width, int height, int pairs) {
    const Pixel pixel(width, height);
    if (pixel.outside()) return;
    const size_t at = pixel.at(), half = (size_t)pairs * width * height;
    pictures[at] = at < half ? I0[at] : I1[at - half];
}

__device__ inline float mix(float a, float b, float t) { return a + t * (b - a); }
__device__ inline float2 mix(float2 a, float2 b, float t) {
    return make_float2(mix(a.x, b.x, t), mix(a.y, b.y, t));
}

// `in` at the place (x + 1/2) scale - 1/2 of this pixel, bilinear, edges held.
template <class Value>
__device__ inline Value resampled(const Value* in, int in_width, int in_height, const Pixel& pixel,
                                  float scale_x, float scale_y) {
    const float x = (pixel.x + 0.5f) * scale_x - 0.5f, y = (pixel.y + 0.5f) * scale_y - 0.5f;
    const float left = floorf(x), top = floorf(y);
    const int x0 = held((int)left, in_width), x1 = held((int)left + 1, in_width);
    in += (size_t)blockIdx.z * in_height * in_width;
    const Value* upper = in + held((int)top, in_height) * in_width;
    const Value* lower = in + held((int)top + 1, in_height) * in_width;
    return mix(mix(upper[x0], upper[x1], x - left), mix(lower[x0], lower[x1], x - left), y - top);
}

// Pictures -> the next coarser level's.
extern "C" __global__ void shrink(const float* in, int in_width, int in_height, float* out,
                                  int width, int height, float scale) {
    const Pixel pixel(width, height);
    if (pixel.outside()) return;
    out[pixel.at()] = resampled(in, in_width, in_height, pixel, scale, scale);
}

// Flow -> the next finer level's, in its pixels: longer by `gain`.
extern "C" __global__ void enlarge(const float2* in, int in_width, int in_height, float2* out,
                                   int width, int height, float gain) {
    const Pixel pixel(width, height);
    if (pixel.outside()) return;
    const float2 u = resampled(in, in_width, in_height, pixel, (float)in_width / width,
                               (float)in_height / height);
    out[pixel.at()] = make_float2(gain * u.x, gain * u.y);
}

// Flow [pairs,height,width] of (x, y) -> [pairs,2,height,width].
extern "C" __global__ void separate(const float2* u, float* planes, int width, int height) {
    const Pixel pixel(width, height);
    if (pixel.outside()) return;
    const size_t at = pixel.at(), area = (size_t)width * height;
    planes[at + blockIdx.z * area] = u[at].x;
    planes[at + blockIdx.z * area + area] = u[at].y;
}

// ---- The warp ---------------------------------------------------------------------------------

// I1 -> (I1, its centred differences by x and y): what a warp needs of a place, in one load.
extern "C" __global__ void differentiate(const float* I1, float4* slopes, int width, int height) {
    const Pixel pixel(width, height);
    if (pixel.outside()) return;
    const float* picture = I1 + (size_t)blockIdx.z * width * height;
    const float* row = picture + pixel.y * width;
    slopes[pixel.at()] = make_float4(
        row[pixel.x],
        0.5f * (row[held(pixel.x + 1, width)] - row[held(pixel.x - 1, width)]),
        0.5f * (picture[held(pixel.y + 1, height) * width + pixel.x] -
                picture[held(pixel.y - 1, height) * width + pixel.x]),
        0.0f);
}

// Weights of the pixels at -1, 0, 1, 2 for a place t after pixel 0 (Keys, 1981; a = -3/4).
struct Cubic {
    float weight[4];
    __device__ explicit Cubic(float t) {
        const float a = -0.75f, s = 1.0f - t;
        weight[0] = a * t * s * s;
        weight[1] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
        weight[2] = ((a + 2.0f) * s - (a + 3.0f)) * s * s + 1.0f;
        weight[3] = a * s * t * t;
    }
};

// What stays the same during a warp's iterations, around the flow u0 (null: none yet):
// (I1x, I1y, rho(0), 1 / |grad I1|^2), the last 0 where there is no slope to follow.
extern "C" __global__ void linearise(const float* I0, const float4* slopes, const float2* u0,
                                     float4* data, int width, int height) {
    const Pixel pixel(width, height);
    if (pixel.outside()) return;
    const size_t at = pixel.at();
    const float2 u = u0 ? u0[at] : make_float2(0.0f, 0.0f);
    const float x = pixel.x + u.x, y = pixel.y + u.y;
    const float left = floorf(x), top = floorf(y);
    const Cubic across(x - left), down(y - top);
    slopes += (size_t)blockIdx.z * width * height;
    float I1 = 0.0f, I1x = 0.0f, I1y = 0.0f;
    for (int i = 0; i < 4; ++i) {
        const int row = (int)top + i - 1;
        if (row < 0 || row >= height) continue;
        for (int j = 0; j < 4; ++j) {
            const int column = (int)left + j - 1;
            if (column < 0 || column >= width) continue;
            const float4 tap = slopes[row * width + column];
            const float weight = down.weight[i] * across.weight[j];
            I1 += weight * tap.x;
            I1x += weight * tap.y;
            I1y += weight * tap.z;
        }
    }
    const float square = I1x * I1x + I1y * I1y;
    const float flat = 1.1920929e-7f;  // OpenCV's limit, FLT_EPSILON
    data[at] = make_float4(I1x, I1y, I1 - I1x * u.x - I1y * u.y - I0[at],
                           square > flat ? 1.0f / square : 0.0f);
}

// ---- The iterations ---------------------------------------------------------------------------
// A block holds a region of the picture in registers, a patch of COLUMNS x ROWS pixels in each
// thread, and runs several iterations on it without touching memory. News travels one pixel an
// iteration (u needs p of the left and upper neighbour, p needs u of the right and lower one), so
// after n iterations all but a margin of n pixels is right: the region without it is written, and
// neighbouring regions overlap by 2n. Threads show each other the edges of their patches only.

constexpr int COLUMNS = 4, ROWS = 2;
constexpr int MOST_THREADS = 512;  // a block's, so that a thread may have 128 registers

// Unrolled, since registers have no index.
#define ROW(i) _Pragma("unroll") for (int i = 0; i < ROWS; ++i)
#define COLUMN(j) _Pragma("unroll") for (int j = 0; j < COLUMNS; ++j)

// Chambolle's step for one component of u: gx and gy are tau/theta times its forward differences.
__device__ inline void ascend(float& px, float& py, float gx, float gy) {
    const float norm = 1.0f + sqrtf(gx * gx + gy * gy);
    px = (px + gx) / norm;
    py = (py + gy) / norm;
}

// A block is (columns, rows) of threads; `edges` has 2 (ROWS + COLUMNS) float2 for each.
// u and p are null for zero. In and out must not be the same: other blocks still read.
template <class Dual>
__device__ inline void iterated(const float4* data, const float2* u_in, const Dual* p_in,
                                float2* u_out, Dual* p_out, int width, int height, int iterations,
                                float theta, float lambda_theta, float tau_theta) {
    extern __shared__ float2 edges[];  // [edge pixel][thread]: neighbouring threads, other banks
    const int threads = blockDim.x * blockDim.y;
    float2* const right_p = edges;                        // (p11, p21) of a patch's last column
    float2* const lower_p = right_p + ROWS * threads;     // (p12, p22) of its last row
    float2* const left_u = lower_p + COLUMNS * threads;   // u of its first column
    float2* const upper_u = left_u + ROWS * threads;      // u of its first row

    // Where the region ends there is no neighbour: any number does, as it is only the margin's.
    const int own = threadIdx.y * blockDim.x + threadIdx.x;
    const int left = threadIdx.x > 0 ? own - 1 : own;
    const int right = threadIdx.x + 1 < blockDim.x ? own + 1 : own;
    const int upper = threadIdx.y > 0 ? own - blockDim.x : own;
    const int lower = threadIdx.y + 1 < blockDim.y ? own + blockDim.x : own;

    const int region_x = threadIdx.x * COLUMNS, region_y = threadIdx.y * ROWS;
    const int region_width = blockDim.x * COLUMNS, region_height = blockDim.y * ROWS;
    const int x0 = blockIdx.x * (region_width - 2 * iterations) - iterations + region_x;
    const int y0 = blockIdx.y * (region_height - 2 * iterations) - iterations + region_y;
    const size_t first = (size_t)blockIdx.z * height * width;

    float2 u[ROWS][COLUMNS];
    float4 p[ROWS][COLUMNS], d[ROWS][COLUMNS];
    // Differences across the picture's edge are zero; so p stays zero there, and beyond.
    float step_x[COLUMNS], step_y[ROWS];
    COLUMN(j) step_x[j] = x0 + j >= 0 && x0 + j + 1 < width ? tau_theta : 0.0f;
    ROW(i) {
        const int y = y0 + i;
        step_y[i] = y >= 0 && y + 1 < height ? tau_theta : 0.0f;
        COLUMN(j) {
            const int x = x0 + j;
            const bool inside = x >= 0 && x < width && y >= 0 && y < height;
            const size_t at = inside ? first + y * width + x : 0;
            u[i][j] = inside && u_in ? u_in[at] : make_float2(0.0f, 0.0f);
            p[i][j] = inside && p_in ? load(p_in + at) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            d[i][j] = inside ? data[at] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }
    }

    for (int n = 0; n < iterations; ++n) {
        ROW(i)
            right_p[i * threads + own] = make_float2(p[i][COLUMNS - 1].x, p[i][COLUMNS - 1].z);
        COLUMN(j)
            lower_p[j * threads + own] = make_float2(p[ROWS - 1][j].y, p[ROWS - 1][j].w);
        __syncthreads();

        ROW(i) {
            float2 before = right_p[i * threads + left];  // (p11, p21) to the left
            COLUMN(j) {
                const float2 above = i > 0 ? make_float2(p[i - 1][j].y, p[i - 1][j].w)
                                           : lower_p[j * threads + upper];  // (p12, p22)
                const float4 q = p[i][j], I = d[i][j];
                float2& w = u[i][j];
                // TH: as far against the gradient as makes rho zero, at most lambda theta |grad|.
                const float rho = I.z + I.x * w.x + I.y * w.y;
                const float toward = fminf(fmaxf(-rho * I.w, -lambda_theta), lambda_theta);
                w.x += toward * I.x + theta * (q.x - before.x + q.y - above.x);
                w.y += toward * I.y + theta * (q.z - before.y + q.w - above.y);
                before = make_float2(q.x, q.z);
            }
        }
        ROW(i) left_u[i * threads + own] = u[i][0];
        COLUMN(j) upper_u[j * threads + own] = u[0][j];
        __syncthreads();

        ROW(i) COLUMN(j) {
            const float2 w = u[i][j];
            const float2 after = j + 1 < COLUMNS ? u[i][j + 1] : left_u[i * threads + right];
            const float2 below = i + 1 < ROWS ? u[i + 1][j] : upper_u[j * threads + lower];
            float4& q = p[i][j];
            ascend(q.x, q.y, step_x[j] * (after.x - w.x), step_y[i] * (below.x - w.x));
            ascend(q.z, q.w, step_x[j] * (after.y - w.y), step_y[i] * (below.y - w.y));
        }
    }

    ROW(i) COLUMN(j) {
        const int x = x0 + j, y = y0 + i;
        const bool margin = region_x + j < iterations || region_y + i < iterations ||
                            region_x + j >= region_width - iterations ||
                            region_y + i >= region_height - iterations;
        if (margin || x >= width || y >= height) continue;
        const size_t at = first + y * width + x;
        u_out[at] = u[i][j];
        store(p_out + at, p[i][j]);
    }
}

#define ITERATE(name, Dual)                                                                        \
    extern "C" __global__ void __launch_bounds__(MOST_THREADS)                                     \
        name(const float4* data, const float2* u_in, const Dual* p_in, float2* u_out, Dual* p_out, \
             int width, int height, int iterations, float theta, float lambda_theta,               \
             float tau_theta) {                                                                    \
        iterated(data, u_in, p_in, u_out, p_out, width, height, iterations, theta, lambda_theta,   \
                 tau_theta);                                                                       \
    }
ITERATE(iterate_fp32, float4)
ITERATE(iterate_fp16, Half4)
