/* A GPU that decodes where there is none: what FFmpeg asks of libcuda.so.1 and libnvcuvid.so.1,
 * for a folder with both names on LD_LIBRARY_PATH. It computes nothing: the pictures are given.
 *
 * FAKE_NVDEC_PICTURES   a file of pictures as they leave a decoder (coded size, NV12 or P010), in
 *                       the order of decoding; each decoder begins with the first
 * FAKE_NVDEC_DOES       what it is like, words with blanks between:
 *   absent              there is no device
 *   small               no video is small enough for it
 *   full                no memory is left
 *   taken               the process's context is open already, in another way than FFmpeg's
 *   contexts=N          so many of their own fit at once
 *   stutter=N           the picture after N of them can't be decoded
 * FAKE_NVDEC_LOG        a file that gets a line for each context that is made or taken, each
 *                       decoder, and each plane that is copied into the host's memory
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long Address;

enum { OK = 0, INVALID = 1, FULL = 2, NO_DEVICE = 100, UNSUPPORTED = 801, SURFACES = 64 };
enum { H264 = 4, HEVC = 8, VP9 = 11 };
enum { HOST = 1, ALIGNMENT = 256, MAPPED_AT_ONCE = 64 };

static const char *does(const char *word) {
    const char *all = getenv("FAKE_NVDEC_DOES");
    return all ? strstr(all, word) : NULL;
}

static void note(const char *line) {
    const char *path = getenv("FAKE_NVDEC_LOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
    if (fd >= 0) {
        if (write(fd, line, strlen(line)) < 0) abort();
        close(fd);
    }
}

/* --- libcuda.so.1: contexts that are nothing, and memory that is the host's --------------------- */

static unsigned primary_flags;
static int primary_holders;
static long contexts;
static int here; /* what contexts point to */

int cuInit(unsigned flags) { (void)flags; return does("absent") ? NO_DEVICE : OK; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return ordinal ? INVALID : OK; }
int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    snprintf(name, size, "a made-up GPU");
    return OK;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)attribute, (void)device;
    *value = ALIGNMENT;
    return OK;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    (void)device;
    *active = primary_holders > 0 || does("taken");
    *flags = does("taken") ? 0 : primary_flags;
    return OK;
}
int cuDevicePrimaryCtxSetFlags(int device, unsigned flags) {
    (void)device;
    primary_flags = flags;
    return OK;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    note("the process's context\n");
    primary_holders++;
    *context = &here;
    return OK;
}
int cuDevicePrimaryCtxRelease(int device) {
    (void)device;
    primary_holders--;
    return OK;
}
int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    (void)flags, (void)device;
    const char *most = does("contexts=");
    if (most && contexts >= atol(most + strlen("contexts="))) return FULL;
    contexts++;
    note("a context of its own\n");
    *context = &here;
    return OK;
}
int cuCtxPushCurrent_v2(void *context) { return context ? OK : INVALID; }
int cuCtxPopCurrent_v2(void **context) {
    if (context) *context = &here;
    return OK;
}
int cuCtxDestroy_v2(void *context) {
    contexts--;
    return context ? OK : INVALID;
}
int cuMemAlloc_v2(Address *at, size_t size) {
    void *memory = does("full") ? NULL : malloc(size);
    *at = (Address)(size_t)memory;
    return memory ? OK : FULL;
}
int cuMemFree_v2(Address at) {
    free((void *)(size_t)at);
    return OK;
}
int cuStreamSynchronize(void *stream) { (void)stream; return OK; }
int cuGetErrorName(int error, const char **name) {
    *name = error == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR";
    return OK;
}
int cuGetErrorString(int error, const char **text) { return cuGetErrorName(error, text); }

typedef struct {
    size_t x, y;
    int type;
    void *host;
    Address device;
    void *array;
    size_t pitch;
} Side;

typedef struct {
    Side from, to;
    size_t width, height;
} Copy;

static char *start(const Side *side) {
    char *base = side->type == HOST ? side->host : (char *)(size_t)side->device;
    return base + side->y * side->pitch + side->x;
}

int cuMemcpy2DAsync_v2(const Copy *copy, void *stream) {
    (void)stream;
    if (copy->to.type == HOST) note("a plane comes down\n");
    for (size_t row = 0; row < copy->height; row++)
        memcpy(start(&copy->to) + row * copy->to.pitch, start(&copy->from) + row * copy->from.pitch,
               copy->width);
    return OK;
}

/* --- libnvcuvid.so.1 ---------------------------------------------------------------------------- */

typedef struct {
    int codec, chroma;
    unsigned depth_minus_8, reserved[3];
    unsigned char is_supported, decoders;
    unsigned short formats;
    unsigned most_width, most_height, most_macroblocks;
    unsigned short least_width, least_height;
} Abilities;

typedef struct {
    unsigned long width, height, surfaces;
    int codec, chroma;
    unsigned long flags, depth_minus_8, intra_only, most_width, most_height, reserved;
    short left, top, right, bottom;
    int format, deinterlace;
    unsigned long target_width, target_height, outputs;
} Wanted;

typedef struct {
    int macroblocks_wide, macroblocks_high, surface, is_field, is_bottom, is_second_field;
} Picture;

typedef struct {
    size_t width, height, bytes;
    long decoded, in_surface[SURFACES];
    int mapped, most_mapped;
    FILE *pictures;
} Decoder;

int cuvidGetDecoderCaps(Abilities *abilities) {
    abilities->is_supported =
        abilities->codec == H264 || abilities->codec == HEVC || abilities->codec == VP9;
    abilities->decoders = 1;
    abilities->formats = 0xf;
    abilities->most_width = abilities->most_height = does("small") ? 16 : 8192;
    abilities->most_macroblocks = 262144;
    abilities->least_width = abilities->least_height = 16;
    return OK;
}

int cuvidCreateDecoder(void **made, const Wanted *wanted) {
    Decoder *decoder = calloc(1, sizeof(Decoder));
    const char *path = getenv("FAKE_NVDEC_PICTURES");
    if (!decoder || !path || !(decoder->pictures = fopen(path, "rb"))) abort();
    decoder->width = wanted->target_width;
    decoder->height = wanted->target_height;
    decoder->bytes = wanted->depth_minus_8 ? 2 : 1;
    decoder->most_mapped = (int)wanted->outputs;
    note("a decoder\n");
    *made = decoder;
    return OK;
}

int cuvidDestroyDecoder(Decoder *decoder) {
    fclose(decoder->pictures);
    free(decoder);
    return OK;
}

int cuvidDecodePicture(Decoder *decoder, const Picture *picture) {
    const char *stutters = does("stutter=");
    if (picture->surface < 0 || picture->surface >= SURFACES) return INVALID;
    decoder->in_surface[picture->surface] = decoder->decoded++;
    return stutters && atol(stutters + strlen("stutter=")) == decoder->decoded - 1 ? INVALID : OK;
}

int cuvidMapVideoFrame64(Decoder *decoder, int surface, Address *at, unsigned *pitch, void *how) {
    (void)how;
    if (decoder->mapped == decoder->most_mapped || decoder->mapped == MAPPED_AT_ONCE) return INVALID;
    size_t row = decoder->width * decoder->bytes, rows = decoder->height * 3 / 2;
    *pitch = (unsigned)((row + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    char *memory = calloc(rows, *pitch);
    if (!memory || fseek(decoder->pictures, (long)(row * rows) * decoder->in_surface[surface], 0))
        abort();
    for (size_t y = 0; y < rows; y++)
        if (fread(memory + y * *pitch, row, 1, decoder->pictures) != 1) abort();
    decoder->mapped++;
    *at = (Address)(size_t)memory;
    return OK;
}

int cuvidUnmapVideoFrame64(Decoder *decoder, Address at) {
    decoder->mapped--;
    free((void *)(size_t)at);
    return OK;
}

/* What FFmpeg looks for, and never calls here. */
#define NEVER(name) int name(void) { return UNSUPPORTED; }
NEVER(cuArray3DCreate_v2) NEVER(cuArrayCreate_v2) NEVER(cuArrayDestroy) NEVER(cuCtxGetCurrent)
NEVER(cuCtxGetDevice) NEVER(cuCtxSetLimit) NEVER(cuDeviceComputeCapability)
NEVER(cuDevicePrimaryCtxReset) NEVER(cuEventCreate) NEVER(cuEventDestroy_v2) NEVER(cuEventQuery)
NEVER(cuEventRecord) NEVER(cuEventSynchronize) NEVER(cuGLGetDevices_v2)
NEVER(cuGraphicsGLRegisterImage) NEVER(cuGraphicsMapResources)
NEVER(cuGraphicsResourceGetMappedPointer_v2) NEVER(cuGraphicsSubResourceGetMappedArray)
NEVER(cuGraphicsUnmapResources) NEVER(cuGraphicsUnregisterResource) NEVER(cuLaunchKernel)
NEVER(cuLinkAddData) NEVER(cuLinkComplete) NEVER(cuLinkCreate) NEVER(cuLinkDestroy)
NEVER(cuMemAllocManaged) NEVER(cuMemAllocPitch_v2) NEVER(cuMemcpy) NEVER(cuMemcpy2D_v2)
NEVER(cuMemcpyAsync) NEVER(cuMemcpyDtoDAsync_v2) NEVER(cuMemcpyDtoD_v2)
NEVER(cuMemcpyDtoHAsync_v2) NEVER(cuMemcpyDtoH_v2) NEVER(cuMemcpyHtoDAsync_v2)
NEVER(cuMemcpyHtoD_v2) NEVER(cuMemsetD8Async) NEVER(cuModuleGetFunction)
NEVER(cuModuleGetGlobal) NEVER(cuModuleLoadData) NEVER(cuModuleUnload)
NEVER(cuStreamAddCallback) NEVER(cuStreamCreate) NEVER(cuStreamDestroy_v2) NEVER(cuStreamQuery)
NEVER(cuStreamWaitEvent) NEVER(cuTexObjectCreate) NEVER(cuTexObjectDestroy)
NEVER(cuvidCreateVideoParser) NEVER(cuvidCreateVideoSource) NEVER(cuvidCreateVideoSourceW)
NEVER(cuvidCtxLock) NEVER(cuvidCtxLockCreate) NEVER(cuvidCtxLockDestroy) NEVER(cuvidCtxUnlock)
NEVER(cuvidDestroyVideoParser) NEVER(cuvidDestroyVideoSource) NEVER(cuvidGetDecodeStatus)
NEVER(cuvidGetSourceAudioFormat) NEVER(cuvidGetSourceVideoFormat)
NEVER(cuvidGetVideoSourceState) NEVER(cuvidParseVideoData) NEVER(cuvidReconfigureDecoder)
NEVER(cuvidSetVideoSourceState)
