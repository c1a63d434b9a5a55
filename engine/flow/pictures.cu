// From cameras' frames to what the CNNs take: the CPU's resize, grey, quantise, crop and stack.
//
// Pictures are bytes without gaps between rows, RGB pixel by pixel; the grid's z counts those of a
// batch. [h,w] is the model's scale, p how much flow's pictures are smaller, S the crop's side.

typedef unsigned char Byte;

// A frame of a batch, and where what is made of it goes. A camera has one at most.
struct Frame {
    const Byte* picture;  // RGB [height,width,3]; null: nobody's, and none of its places is touched
    const Byte* outside;  // [h,w], not 0 where nothing may be seen; null: all of it is seen
    Byte* rgb;            // [S,S,3]
    Byte* grey;           // [h/p,w/p] of the camera's frame before; this one's from now on
    Byte* pair;           // [2,S/p,S/p], the quantised flow from that one to this
    int width, height;
};

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

// Frames -> RGB [h,w,3], neither side larger: each pixel is the mean of the area that it covers,
// parts of pixels by their parts (OpenCV's INTER_AREA). What is outside becomes `hidden`.
extern "C" __global__ void resize(const Frame* frames, Byte* out, int width, int height,
                                  int hidden) {
    const Place to;
    const Frame frame = frames[to.picture];
    if (!frame.picture || to.x >= width || to.y >= height) return;
    out += ((to.picture * height + to.y) * width + to.x) * 3;
    if (frame.outside && frame.outside[to.y * width + to.x]) {
        for (int c = 0; c < 3; ++c) out[c] = hidden;
        return;
    }
    const float across = (float)frame.width / width, down = (float)frame.height / height;
    const float left = to.x * across, top = to.y * down;
    const float right = fminf(left + across, frame.width);
    const float bottom = fminf(top + down, frame.height);
    float sum[3] = {0.0f, 0.0f, 0.0f};
    for (int y = (int)top; y < bottom; ++y) {
        float row[3] = {0.0f, 0.0f, 0.0f};
        for (int x = (int)left; x < right; ++x) {
            const float part = within(x, left, right);
            const Byte* pixel = frame.picture + ((size_t)y * frame.width + x) * 3;
            for (int c = 0; c < 3; ++c) row[c] += part * pixel[c];
        }
        const float part = within(y, top, bottom);
        for (int c = 0; c < 3; ++c) sum[c] += part * row[c];
    }
    const float area = (right - left) * (bottom - top);
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

// Each camera's grey picture of before -> previous [B,size]; it keeps that of now.
extern "C" __global__ void exchange(const Frame* frames, const Byte* current, Byte* previous,
                                    int size) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const Frame frame = frames[blockIdx.z];
    if (!frame.picture || i >= size) return;
    const size_t at = (size_t)blockIdx.z * size + i;
    previous[at] = frame.grey[i];
    frame.grey[i] = current[at];
}

// The middle of pictures with rows of in_width bytes, a window of so many bytes and rows -> rgb.
extern "C" __global__ void crop(const Frame* frames, const Byte* in, int in_width, int in_height,
                                int width, int height) {
    const Place to;
    const Frame frame = frames[to.picture];
    if (!frame.picture || to.x >= width || to.y >= height) return;
    // Whole pixels, as the CPU rounds: the left edge is one, not a third of one.
    const int left = (in_width / 3 - width / 3) / 2 * 3, top = (in_height - height) / 2;
    frame.rgb[(size_t)to.y * width + to.x] =
        in[(to.picture * in_height + top + to.y) * in_width + left + to.x];
}

// Flow [B,2,in_height,in_width] in px -> pair: its middle as 128 + rint(127 v / bound), clipped.
extern "C" __global__ void quantise(const Frame* frames, const float* flow, int in_width,
                                    int in_height, int side, float bound, float steps_per_px) {
    const Place to;
    const Frame frame = frames[to.picture];
    if (!frame.picture || to.x >= side || to.y >= side) return;
    const int left = (in_width - side) / 2, top = (in_height - side) / 2;
    for (int axis = 0; axis < 2; ++axis) {
        const size_t row = (2 * to.picture + axis) * in_height + top + to.y;
        const float clipped = fminf(fmaxf(flow[row * in_width + left + to.x], -bound), bound);
        frame.pair[(axis * side + to.y) * side + to.x] =
            (Byte)(128 + (int)rintf(clipped * steps_per_px));
    }
}

// A CNN's input of parts that lie anywhere: parts [rows,depth], addresses of `size` bytes each; null
// for no motion, 1 for what lies in `out` already -> [rows,depth,size]. The grid's y counts a row's.
extern "C" __global__ void stack(const Byte* const* parts, Byte* out, int size) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const size_t place = (size_t)blockIdx.z * gridDim.y + blockIdx.y;
    const Byte* part = parts[place];
    if (i >= size || part == (const Byte*)1) return;
    out[place * size + i] = part ? part[i] : 128;
}
