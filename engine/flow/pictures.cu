// From a camera's frames to what the CNNs take: the CPU's resize, grey, quantise, crop and stack.
//
// Pictures are bytes without gaps between rows, RGB pixel by pixel; the grid's z counts pictures.

typedef unsigned char Byte;

struct Place {
    int x, y;
    size_t picture;
    __device__ Place()
        : x(blockIdx.x * blockDim.x + threadIdx.x), y(blockIdx.y * blockDim.y + threadIdx.y),
          picture(blockIdx.z) {}
};

__device__ inline Byte rounded(float value) {
    return (Byte)rintf(fminf(fmaxf(value, 0.0f), 255.0f));
}

// How much of pixel i lies between two places.
__device__ inline float within(int i, float begin, float end) {
    return fminf(i + 1.0f, end) - fmaxf((float)i, begin);
}

// RGB [in_height,in_width,3] -> [height,width,3], neither side larger: each pixel is the mean of the
// area that it covers, parts of pixels by their parts (OpenCV's INTER_AREA).
extern "C" __global__ void resize(const Byte* in, int in_width, int in_height, Byte* out, int width,
                                  int height) {
    const Place to;
    if (to.x >= width || to.y >= height) return;
    const float across = (float)in_width / width, down = (float)in_height / height;
    const float left = to.x * across, top = to.y * down;
    const float right = fminf(left + across, in_width), bottom = fminf(top + down, in_height);
    in += to.picture * in_height * in_width * 3;
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int y = (int)top; y < bottom; ++y) {
        float row[3] = {0.0f, 0.0f, 0.0f};
        for (int x = (int)left; x < right; ++x) {
            const float part = within(x, left, right);
            const Byte* pixel = in + ((size_t)y * in_width + x) * 3;
            for (int c = 0; c < 3; ++c) row[c] += part * pixel[c];
        }
        const float part = within(y, top, bottom);
        for (int c = 0; c < 3; ++c) sum[c] += part * row[c];
    }
    const float area = (right - left) * (bottom - top);
    out += ((to.picture * height + to.y) * width + to.x) * 3;
    for (int c = 0; c < 3; ++c) out[c] = rounded(sum[c] / area);
}

// BT.601 in OpenCV's whole numbers, so that a pixel is the CPU's exactly.
__device__ inline int luma(const Byte* rgb) {
    return (rgb[0] * 9798 + rgb[1] * 19235 + rgb[2] * 3735 + (1 << 14)) >> 15;
}

// RGB [p height, p width, 3] -> luma [height,width], each the mean of p x p.
extern "C" __global__ void grey(const Byte* in, Byte* out, int width, int height, int p) {
    const Place to;
    if (to.x >= width || to.y >= height) return;
    in += (to.picture * height + to.y) * p * (size_t)width * p * 3 + (size_t)to.x * p * 3;
    int sum = 0;
    for (int i = 0; i < p; ++i)
        for (int j = 0; j < p; ++j) sum += luma(in + ((size_t)i * width * p + j) * 3);
    // As OpenCV rounds: halves up where p is 2, else to the even neighbour.
    out[(to.picture * height + to.y) * width + to.x] =
        p == 2 ? (sum + 2) >> 2 : (int)rintf(sum * (1.0f / (p * p)));
}

// Flow in px -> 128 + rint(127 v / bound), clipped; size: floats of one picture.
extern "C" __global__ void quantise(const float* flow, Byte* out, int size, float bound,
                                    float steps_per_px) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const size_t at = (size_t)blockIdx.z * size + i;
    const float clipped = fminf(fmaxf(flow[at], -bound), bound);
    out[at] = (Byte)(128 + (int)rintf(clipped * steps_per_px));
}

// A window of `height` rows of so many bytes out of pictures with rows of in_width bytes.
extern "C" __global__ void crop(const Byte* in, int in_width, int in_height, Byte* out, int width,
                                int height, int left, int top) {
    const Place to;
    if (to.x >= width || to.y >= height) return;
    out[(to.picture * height + to.y) * width + to.x] =
        in[(to.picture * in_height + top + to.y) * in_width + left + to.x];
}

// pairs [rows,depth]: where each quantised pair [2,area] lies, null for no motion
// -> [rows,2 depth,area]. The grid's y counts a row's pairs, z rows.
extern "C" __global__ void stack(const Byte* const* pairs, Byte* out, int area) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= 2 * area) return;
    const size_t place = (size_t)blockIdx.z * gridDim.y + blockIdx.y;
    const Byte* pair = pairs[place];
    out[place * 2 * area + i] = pair ? pair[i] : 128;
}
