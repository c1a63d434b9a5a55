/* A webcam where there is none: LD_PRELOAD this, and FFmpeg's V4L2 input finds a driver.
 *
 * FAKE_WEBCAM           the path that is the device (a plain file, so that it exists)
 * FAKE_WEBCAM_DOES      what it is like, words with blanks between:
 *   metadata            it gives no pictures, as the second node of many webcams
 *   busy                another program streams from it
 *   stubborn            it refuses to have its rate set, and keeps its own size, 1280x720
 *   stall=N             nothing comes after N pictures; opened again, N more come
 *   vanish=N            it is unplugged after N pictures
 *
 * Pictures are YUYV, of one grey that goes up by one with each, stamped by the monotonic clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 8 };

static int (*real_open)(const char *, int, ...);
static int (*real_ioctl)(int, unsigned long, ...);
static ino_t device; /* of the file in memory that stands for the driver's buffers */
static int blocks, queued[BUFFERS], waiting, width = 1280, height = 720, fps = 30;
static long taken, picture;
static unsigned char *memory;
static struct timespec began;

static const char *does(const char *word) {
    const char *all = getenv("FAKE_WEBCAM_DOES");
    return all ? strstr(all, word) : NULL;
}

static long number(const char *word) {
    const char *found = does(word);
    return found ? atol(found + strlen(word)) : -1;
}

static size_t size_of_picture(void) { return (size_t)width * height * 2; }

static int open_device(int flags) {
    int fd = memfd_create("webcam", 0);
    struct stat found;
    fstat(fd, &found);
    device = found.st_ino;
    blocks = !(flags & O_NONBLOCK);
    waiting = 0;
    taken = 0;
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode) {
    const char *mine = getenv("FAKE_WEBCAM");
    if (!real_open) real_open = dlsym(RTLD_NEXT, "open64");
    return mine && !strcmp(path, mine) ? open_device(flags) : real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_any(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_any(path, flags, mode);
}

static int fails(int code) {
    errno = code;
    return -1;
}

static void describe(struct v4l2_pix_format *format) {
    format->width = width;
    format->height = height;
    format->pixelformat = V4L2_PIX_FMT_YUYV;
    format->field = V4L2_FIELD_NONE;
    format->bytesperline = width * 2;
    format->sizeimage = size_of_picture();
}

static int set_format(struct v4l2_format *asked) {
    if (does("busy")) return fails(EBUSY);
    if (asked->fmt.pix.pixelformat == V4L2_PIX_FMT_YUYV && !does("stubborn")) {
        width = asked->fmt.pix.width;
        height = asked->fmt.pix.height;
    }
    describe(&asked->fmt.pix);
    return 0;
}

static int take_buffer(struct v4l2_buffer *buffer) {
    struct timespec now, pause = {0, 1000000};
    for (;;) {
        if (number("vanish=") >= 0 && taken >= number("vanish=")) return fails(ENODEV);
        clock_gettime(CLOCK_MONOTONIC, &now);
        double passed = now.tv_sec - began.tv_sec + (now.tv_nsec - began.tv_nsec) / 1e9;
        int due = passed * fps > taken && waiting > 0;
        if (number("stall=") >= 0 && taken >= number("stall=")) due = 0;
        if (due) break;
        if (!blocks) return fails(EAGAIN);
        nanosleep(&pause, NULL);
    }
    int index = queued[0];
    memmove(queued, queued + 1, --waiting * sizeof *queued);
    unsigned char *at = memory + index * size_of_picture();
    memset(at, 128, size_of_picture());
    for (size_t i = 0; i < size_of_picture(); i += 2) at[i] = 16 + picture % 200;
    buffer->index = index;
    buffer->bytesused = size_of_picture();
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->sequence = taken++;
    picture++;
    return 0;
}

static int answer(int fd, unsigned long request, void *data) {
    struct v4l2_capability *can = data;
    struct v4l2_format *format = data;
    struct v4l2_streamparm *rate = data;
    struct v4l2_requestbuffers *wanted = data;
    struct v4l2_buffer *buffer = data;
    struct v4l2_input *input = data;
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(can, 0, sizeof *can);
        strcpy((char *)can->driver, "fake");
        can->capabilities = V4L2_CAP_STREAMING;
        can->capabilities |= does("metadata") ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE;
        return 0;
    case VIDIOC_G_INPUT:
        *(int *)data = 0;
        return 0;
    case VIDIOC_S_INPUT:
        return 0;
    case VIDIOC_ENUMINPUT:
        if (input->index) return fails(EINVAL);
        strcpy((char *)input->name, "Camera 1");
        input->type = V4L2_INPUT_TYPE_CAMERA;
        input->std = 0;
        return 0;
    case VIDIOC_G_FMT:
        describe(&format->fmt.pix);
        return 0;
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT:
        return set_format(format);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
        rate->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        if (request == VIDIOC_S_PARM) {
            if (does("stubborn")) return fails(EINVAL);
            fps = rate->parm.capture.timeperframe.denominator;
        }
        rate->parm.capture.timeperframe.numerator = 1;
        rate->parm.capture.timeperframe.denominator = fps;
        return 0;
    case VIDIOC_REQBUFS:
        if (does("busy")) return fails(EBUSY);
        wanted->count = BUFFERS;
        if (ftruncate(fd, BUFFERS * size_of_picture())) return -1;
        memory = mmap(NULL, BUFFERS * size_of_picture(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return 0;
    case VIDIOC_QUERYBUF:
        /* 640x480 and 1280x720 in YUYV are whole pages, as an offset must be */
        buffer->length = size_of_picture();
        buffer->m.offset = buffer->index * size_of_picture();
        return 0;
    case VIDIOC_QBUF:
        queued[waiting++] = buffer->index;
        return 0;
    case VIDIOC_DQBUF:
        return take_buffer(buffer);
    case VIDIOC_STREAMON:
        clock_gettime(CLOCK_MONOTONIC, &began);
        return 0;
    case VIDIOC_STREAMOFF:
        waiting = 0;
        return 0;
    default:
        return fails(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *data = va_arg(rest, void *);
    va_end(rest);
    struct stat found;
    if (!real_ioctl) real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    if (device && !fstat(fd, &found) && found.st_ino == device) return answer(fd, request, data);
    return real_ioctl(fd, request, data);
}
