// A batch's rows and the states of the cameras that they belong to.
//
// A camera's stream keeps its state in one piece of memory, of floats:
//
//   feature [D]   h [k,H]   c [k,H]   m [k]   l [k]   a [k,D]
//
// the newest feature, and what the head graph carries on. Graphs take and give arrays with a row for
// each camera of a batch; these kernels move rows between the two, and gather what the host wants to
// know of a row in one place:
//
//   result [W]    S [C]     the score of the lane that this sample has made a whole segment
//                 partial [C]  lane 0's
//                 logits [k]   each lane's newest
//                 attention [h,w]  where the CNN looked
//
// A thread for each float of a row; the grid's y counts rows.

struct Row {
    float* state;  // null: nobody's, and what it gives is thrown away
    int place;     // of its result
    int lane;      // that this sample clears and begins
    int begins;    // whether the state is still to be cleared
};

// Float i of a state, counted from h, in arrays with a row for each camera.
struct Carried {
    float *h, *c, *m, *l, *a;
    int width, hidden, lanes;
    __device__ int m_begins() const { return 2 * lanes * hidden; }
    __device__ int size() const { return lanes * (2 * hidden + 2 + width); }
    __device__ float* at(int row, int i) const {
        const int cell = lanes * hidden;
        if (i < cell) return h + (size_t)row * cell + i;
        if ((i -= cell) < cell) return c + (size_t)row * cell + i;
        if ((i -= cell) < lanes) return m + row * lanes + i;
        if ((i -= lanes) < lanes) return l + row * lanes + i;
        return a + (size_t)row * lanes * width + i - lanes;
    }
};

// After a CNN: each row's feature into its state, its attention [area] into its result.
extern "C" __global__ void keep(const Row* rows, const float* features, const float* attention,
                                float* result, int width, int area, int result_width, int offset) {
    const Row row = rows[blockIdx.y];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (!row.state || i >= width + area) return;
    if (i < width)
        row.state[i] = features[(size_t)blockIdx.y * width + i];
    else
        result[(size_t)row.place * result_width + offset + i - width] =
            attention[(size_t)blockIdx.y * area + i - width];
}

// Before a head: each row's state into what the graph takes. cleared: m of a lane that is empty.
extern "C" __global__ void gather(const Row* rows, int* lane, float* features, float* h, float* c,
                                  float* m, float* l, float* a, int width, int hidden, int lanes,
                                  float cleared) {
    const Row row = rows[blockIdx.y];
    const Carried carried{h, c, m, l, a, width, hidden, lanes};
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (!row.state || i >= width + carried.size()) return;
    if (i == 0) lane[blockIdx.y] = row.lane;
    if (i < width) {
        features[(size_t)blockIdx.y * width + i] = row.state[i];
        return;
    }
    const int j = i - width, in_m = j - carried.m_begins();
    const float empty = in_m >= 0 && in_m < lanes ? cleared : 0.0f;
    *carried.at(blockIdx.y, j) = row.begins ? empty : row.state[i];
}

// After a head: what the graph gave into each row's state, scores and logits into its result.
extern "C" __global__ void scatter(const Row* rows, float* h, float* c, float* m, float* l,
                                   float* a, const float* scores, const float* logits,
                                   float* result, int width, int hidden, int lanes, int classes,
                                   int result_width) {
    const Row row = rows[blockIdx.y];
    const Carried carried{h, c, m, l, a, width, hidden, lanes};
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (!row.state || i >= carried.size() + 2 * classes + lanes) return;
    if (i < carried.size()) {
        row.state[width + i] = *carried.at(blockIdx.y, i);
        return;
    }
    const int j = i - carried.size();
    const float* own = scores + (size_t)blockIdx.y * lanes * classes;
    const float* whole = own + (row.lane + 1) % lanes * classes;  // begun k - 1 samples ago
    result[(size_t)row.place * result_width + j] =
        j < classes ? whole[j]
                    : j < 2 * classes ? own[j - classes]
                                      : logits[blockIdx.y * lanes + j - 2 * classes];
}
