// Stands in for CUDA's driver where there is no GPU: says that it is a card of compute capability 9.0, gives the processor's memory for the
// card's, and runs kernels at once on the processor, as translate.py has made them of their sources. A stream that is captured is kept
// and played as a graph. Fresh memory holds no numbers, so that what is read before it is written shows. With LMSC_STAND_IN_IDLE nothing is
// run: what is asked of the driver is all there is to see.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef uint64_t Pointer;

enum { NO_MEMORY = 2, NO_BINARY = 200, NOT_FOUND = 500, BAD_VALUE = 1 };

static const size_t MEMORY = 80ull << 30;

static int idle(void) {
    static int known = -1;
    if (known < 0) known = getenv("LMSC_STAND_IN_IDLE") != NULL;
    return known;
}

// Kernels: a library exports `run` and how many bytes each argument has.

typedef struct {
    void (*run)(void **arguments, const unsigned *shape);
    const int *count;
    const int *sizes;
} Kernel;

int cuModuleLoadData(void **module, const void *image) {
    *module = dlopen(image, RTLD_NOW | RTLD_LOCAL);
    if (!*module) fprintf(stderr, "stand-in: %s\n", dlerror());
    return *module ? 0 : NO_BINARY;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    Kernel *kernel = calloc(1, sizeof *kernel);
    kernel->run = dlsym(module, "stand_in_run");
    kernel->count = dlsym(module, "stand_in_count");
    kernel->sizes = dlsym(module, "stand_in_sizes");
    *function = kernel;
    return kernel->run && kernel->count && kernel->sizes ? 0 : NOT_FOUND;
}

int cuModuleUnload(void *module) { return 0; }
int cuFuncSetAttribute(void *function, int attribute, int value) { return 0; }

// Graphs.

enum { SHAPE = 7, ARGUMENTS = 64 };

typedef struct {
    Kernel *kernel; // none where bytes are copied or set
    unsigned shape[SHAPE];
    char *arguments;
    Pointer to, from;
    size_t bytes;
    int value;
} Node;

typedef struct {
    Node *nodes;
    size_t count, room;
} Graph;

static Graph *capturing;
static void *captured;

static Node *node(void) {
    Graph *g = capturing;
    if (g->count == g->room) {
        g->room = g->room ? 2 * g->room : 64;
        g->nodes = realloc(g->nodes, g->room * sizeof(Node));
    }
    Node *n = &g->nodes[g->count++];
    memset(n, 0, sizeof *n);
    return n;
}

static size_t place(int bytes) { return (bytes + 15) / 16 * 16; }

static void play(const Node *n) {
    if (idle()) return;
    if (n->kernel) {
        void *arguments[ARGUMENTS];
        char *at = n->arguments;
        for (int i = 0; i < *n->kernel->count; i++) {
            arguments[i] = at;
            at += place(n->kernel->sizes[i]);
        }
        n->kernel->run(arguments, n->shape);
    } else if (n->from) {
        memmove((void *)n->to, (const void *)n->from, n->bytes);
    } else {
        memset((void *)n->to, n->value, n->bytes);
    }
}

int cuStreamBeginCapture_v2(void *stream, int mode) {
    capturing = calloc(1, sizeof *capturing);
    captured = stream;
    return 0;
}

int cuStreamEndCapture(void *stream, void **graph) {
    if (getenv("LMSC_STAND_IN_REPORT")) fprintf(stderr, "stand-in: a graph of %zu nodes\n", capturing->count);
    *graph = capturing;
    capturing = NULL;
    return 0;
}

int cuStreamIsCapturing(void *stream, int *is) { *is = capturing && stream == captured; return 0; }
int cuGraphGetNodes(void *graph, void **nodes, size_t *count) { *count = 0; return 0; }
int cuGraphNodeGetType(void *node, int *type) { *type = 0; return 0; }
int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) { *exec = graph; return 0; }
int cuGraphUpload(void *exec, void *stream) { return 0; }
int cuGraphDestroy(void *graph) { return 0; }
int cuGraphExecDestroy(void *exec) { return 0; }

int cuGraphLaunch(void *exec, void *stream) {
    const Graph *g = exec;
    for (size_t i = 0; i < g->count; i++) play(&g->nodes[i]);
    return 0;
}

// What is queued: done at once, or kept.

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream,
                   void **arguments, void **extra) {
    Kernel *kernel = function;
    Node n = {.kernel = kernel, .shape = {gx, gy, gz, bx, by, bz, shared}};
    int fits = gx && gy && gz && bx && by && bz && gy < 65536 && gz < 65536 && bx * by * bz <= 1024 && shared <= 232448;
    if (!fits || *kernel->count > ARGUMENTS) return BAD_VALUE;
    if (!capturing || stream != captured) {
        if (!idle()) kernel->run(arguments, n.shape);
        return 0;
    }
    size_t bytes = 0;
    for (int i = 0; i < *kernel->count; i++) bytes += place(kernel->sizes[i]);
    char *at = n.arguments = malloc(bytes);
    for (int i = 0; i < *kernel->count; i++) {
        memcpy(at, arguments[i], kernel->sizes[i]);
        at += place(kernel->sizes[i]);
    }
    *node() = n;
    return 0;
}

static int queue(Node n, void *stream) {
    if (capturing && stream == captured) *node() = n;
    else play(&n);
    return 0;
}

int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *stream) {
    return queue((Node){.to = to, .from = from, .bytes = bytes}, stream);
}

int cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes, void *stream) {
    return queue((Node){.to = to, .value = value, .bytes = bytes}, stream);
}

int cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream) {
    if (capturing && stream == captured) return BAD_VALUE;
    memcpy((void *)to, from, bytes);
    return 0;
}

int cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream) {
    memcpy(to, (const void *)from, bytes);
    return 0;
}

typedef struct {
    size_t x, y;
    int kind;
    const void *host;
    Pointer device;
    void *array;
    size_t pitch;
} Side;

typedef struct {
    Side from, to;
    size_t width, height;
} Rectangle;

static char *corner(const Side *side) { return (char *)(side->kind == 1 ? (Pointer)side->host : side->device) + side->y * side->pitch + side->x; }

int cuMemcpy2DAsync_v2(const Rectangle *r, void *stream) {
    for (size_t i = 0; i < r->height; i++) memcpy(corner(&r->to) + i * r->to.pitch, corner(&r->from) + i * r->from.pitch, r->width);
    return 0;
}

// Memory.

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { Pointer at; size_t bytes; } *pieces;
static size_t count, room, held, most;

int cuMemAlloc_v2(Pointer *at, size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return NO_MEMORY;
    if (!idle()) memset(p, 0xff, bytes);
    pthread_mutex_lock(&lock);
    if (count == room) pieces = realloc(pieces, (room = room ? 2 * room : 64) * sizeof *pieces);
    pieces[count].at = (Pointer)p;
    pieces[count++].bytes = bytes;
    held += bytes;
    if (held > most) most = held;
    pthread_mutex_unlock(&lock);
    *at = (Pointer)p;
    return 0;
}

int cuMemFree_v2(Pointer at) {
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].at != at) continue;
        munmap((void *)at, pieces[i].bytes);
        held -= pieces[i].bytes;
        pieces[i] = pieces[--count];
        break;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int cuMemAllocAsync(Pointer *at, size_t bytes, void *stream) { return cuMemAlloc_v2(at, bytes); }
int cuMemFreeAsync(Pointer at, void *stream) { return cuMemFree_v2(at); }
int cuMemAllocHost_v2(void **at, size_t bytes) { *at = calloc(1, bytes); return *at ? 0 : NO_MEMORY; }
int cuMemFreeHost(void *at) { free(at); return 0; }
int cuMemGetInfo_v2(size_t *spare, size_t *total) { *total = MEMORY; *spare = MEMORY - held; return 0; }

__attribute__((destructor)) static void report(void) {
    if (getenv("LMSC_STAND_IN_REPORT")) fprintf(stderr, "stand-in: %.1f MB held, %.1f at the most\n", held / 1e6, most / 1e6);
}

// The card, its context, streams and events.

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *device, int i) { *device = i; return i == 0 ? 0 : 101; }
int cuDeviceGetName(char *name, int bytes, int device) { snprintf(name, bytes, "the processor, in a card's place"); return 0; }
int cuDeviceGetPCIBusId(char *id, int bytes, int device) { snprintf(id, bytes, "0000:00:00.0"); return 0; }
int cuDeviceGetUuid_v2(char *uuid, int device) { memset(uuid, 1, 16); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = MEMORY; return 0; }

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;   // threads of a block, and along x and y
    case 4: *value = 64; break;                     // along z
    case 5: *value = 2147483647; break;             // blocks along x
    case 6: case 7: *value = 65535; break;          // along y and z
    case 10: *value = 32; break;                    // threads of a warp
    case 16: *value = 132; break;                   // multiprocessors
    case 75: *value = 9; break;                     // compute capability
    case 76: *value = 0; break;
    case 97: *value = 232448; break;                // bytes that the threads of a block share
    default: *value = 0;
    }
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)1; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuCtxGetCurrent(void **context) { *context = (void *)1; return 0; }
int cuCtxGetStreamPriorityRange(int *least, int *greatest) { *least = *greatest = 0; return 0; }
int cuCtxSynchronize(void) { return 0; }
int cuStreamCreate(void **stream, unsigned flags) { *stream = malloc(1); return 0; }
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) { return cuStreamCreate(stream, flags); }
int cuStreamDestroy_v2(void *stream) { free(stream); return 0; }
int cuStreamSynchronize(void *stream) { return 0; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
int cuEventCreate(void **event, unsigned flags) { *event = malloc(1); return 0; }
int cuEventDestroy_v2(void *event) { free(event); return 0; }
int cuEventRecord(void *event, void *stream) { return 0; }
int cuEventSynchronize(void *event) { return 0; }
int cuEventQuery(void *event) { return 0; }
int cuEventElapsedTime(float *ms, void *a, void *b) { *ms = 0.01f; return 0; }
int cuEventElapsedTime_v2(float *ms, void *a, void *b) { *ms = 0.01f; return 0; }
int cuGetErrorName(int error, const char **name) { *name = "an error of the stand-in"; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "an error of the stand-in"; return 0; }
