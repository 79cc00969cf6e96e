// What a kernel's source finds on the processor: CUDA's words, its half precisions, and a block whose threads take turns between barriers.

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// The sources define these themselves, in other ways than the system's headers.
#define uint8_t kernel_uint8_t
#define uint16_t kernel_uint16_t
#define uint32_t kernel_uint32_t
#define uint64_t kernel_uint64_t
#define int8_t kernel_int8_t
#define int16_t kernel_int16_t
#define int32_t kernel_int32_t
#define int64_t kernel_int64_t

#define __device__
#define __launch_bounds__(...)
#define __grid_constant__

struct Three {
    unsigned x, y, z;
};

struct Block;

// What a thread knows.
struct Thread {
    Three place, block_place, block, grid;
    char *shared;
    Block *among;
};

#define threadIdx thread->place
#define blockIdx thread->block_place
#define blockDim thread->block
#define gridDim thread->grid
#define __syncthreads() barrier(thread)
#define warpSize 32
#define __activemask() 0xffffffffu
#define __shfl_xor_sync(mask, value, by) shuffled(thread, value, lane(thread) ^ (by))
#define __shfl_down_sync(mask, value, by) shuffled(thread, value, lane(thread) + (by) < 32 ? lane(thread) + (by) : lane(thread))
#define __shfl_sync(mask, value, from) shuffled(thread, value, from)

static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }

// Half precisions: each operation in float, and rounded.

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    template <class T> __nv_bfloat16(T value) : bits(rounded((float)value)) {}
    static unsigned short rounded(float value) {
        unsigned u;
        memcpy(&u, &value, 4);
        return value != value ? 0x7fff : (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    }
    operator float() const {
        unsigned u = (unsigned)bits << 16;
        float value;
        memcpy(&value, &u, 4);
        return value;
    }
};

struct __half {
    _Float16 bits;
    __half() = default;
    template <class T> __half(T value) : bits((_Float16)(float)value) {}
    operator float() const { return (float)bits; }
};

#define ARITHMETIC(T, op) static inline T operator op(T a, T b) { return T((float)a op (float)b); }
#define COMPARISON(T, op) static inline bool operator op(T a, T b) { return (float)a op (float)b; }
#define HALF(T, P)                                                                                                             \
    ARITHMETIC(T, +) ARITHMETIC(T, -) ARITHMETIC(T, *) ARITHMETIC(T, /)                                                        \
    COMPARISON(T, <) COMPARISON(T, >) COMPARISON(T, <=) COMPARISON(T, >=) COMPARISON(T, ==) COMPARISON(T, !=)                  \
    static inline T operator-(T a) { return T(-(float)a); }                                                                    \
    static inline T __hfma(T a, T b, T c) { return T(fmaf(a, b, c)); }                                                         \
    static inline T fma(T a, T b, T c) { return T(fmaf(a, b, c)); }                                                            \
    static inline T min(T a, T b) { return T(fminf(a, b)); }                                                                   \
    static inline T max(T a, T b) { return T(fmaxf(a, b)); }                                                                   \
    static inline T __hmin(T a, T b) { return min(a, b); }                                                                     \
    static inline T __hmax(T a, T b) { return max(a, b); }                                                                     \
    static inline T __habs(T a) { return T(fabsf(a)); }                                                                        \
    static inline T hexp(T a) { return T(expf(a)); }                                                                           \
    static inline T hlog(T a) { return T(logf(a)); }                                                                           \
    static inline T hsqrt(T a) { return T(sqrtf(a)); }                                                                         \
    static inline T hrcp(T a) { return T(1.0f / (float)a); }                                                                   \
    struct P {                                                                                                                 \
        T x, y;                                                                                                                \
        P() = default;                                                                                                         \
        P(T a, T b) : x(a), y(b) {}                                                                                            \
    };                                                                                                                         \
    static inline P operator+(P a, P b) { return P(a.x + b.x, a.y + b.y); }                                                    \
    static inline P operator-(P a, P b) { return P(a.x - b.x, a.y - b.y); }                                                    \
    static inline P operator*(P a, P b) { return P(a.x * b.x, a.y * b.y); }                                                    \
    static inline P operator/(P a, P b) { return P(a.x / b.x, a.y / b.y); }                                                    \
    static inline P operator-(P a) { return P(-a.x, -a.y); }                                                                   \
    static inline P __hfma2(P a, P b, P c) { return P(fma(a.x, b.x, c.x), fma(a.y, b.y, c.y)); }                               \
    static inline P __hfma(P a, P b, P c) { return __hfma2(a, b, c); }                                                         \
    static inline P __habs2(P a) { return P(__habs(a.x), __habs(a.y)); }                                                       \
    static inline P __hmin2(P a, P b) { return P(min(a.x, b.x), min(a.y, b.y)); }                                              \
    static inline P __hmax2(P a, P b) { return P(max(a.x, b.x), max(a.y, b.y)); }                                              \
    static inline P h2exp(P a) { return P(hexp(a.x), hexp(a.y)); }                                                             \
    static inline P h2log(P a) { return P(hlog(a.x), hlog(a.y)); }                                                             \
    static inline P h2sqrt(P a) { return P(hsqrt(a.x), hsqrt(a.y)); }

HALF(__nv_bfloat16, __nv_bfloat162)
HALF(__half, __half2)

// A block: each thread has a stack of its own, on which it runs to the next barrier.

enum { STACK = 1 << 16 };

struct Fiber {
    void *top;
    char *stack;
    Thread thread;
    bool done;
};

struct Block {
    char slots[1024][16];
    Fiber *fibers;
    int count, at;
    void *top;
    void **arguments;
};

static void kernel(Thread *thread, void **arguments);

// Saves what a call must keep on this stack, leaves its top at `from`, and goes on with another.
extern "C" void change(void **from, void *to);
__asm__(".text\n.type change,@function\nchange:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

// Where a stack begins: calls the function in r13 with what is in r12.
extern "C" void begin();
__asm__(".text\n.type begin,@function\nbegin:\nmov %r12,%rdi\ncall *%r13\n");

static void barrier(Thread *thread) {
    Block *b = thread->among;
    change(&b->fibers[b->at].top, b->top);
}

static int lane(const Thread *thread) { return thread->among->at % 32; }

// The value of another thread of the warp, all of which ask at once: each leaves its own, waits, takes, and waits until all have taken.
template <class T> static T shuffled(Thread *thread, T value, int from) {
    Block *b = thread->among;
    int me = b->at;
    memcpy(b->slots[me], &value, sizeof value);
    barrier(thread);
    memcpy(&value, b->slots[me / 32 * 32 + from], sizeof value);
    barrier(thread);
    return value;
}

// Adds to a number that threads of other blocks add to, and gives what was there.
static inline float atomic_add(float *to, float value) {
    unsigned old = __atomic_load_n((unsigned *)to, __ATOMIC_RELAXED), now;
    float sum;
    do {
        memcpy(&sum, &old, 4);
        sum += value;
        memcpy(&now, &sum, 4);
    } while (!__atomic_compare_exchange_n((unsigned *)to, &old, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return sum - value;
}

static __attribute__((noinline)) void life(Block *b) {
    Fiber *f = &b->fibers[b->at];
    kernel(&f->thread, b->arguments);
    f->done = true;
    change(&f->top, b->top);
}

static void start(Block *b, Fiber *f) {
    if (!f->stack) f->stack = (char *)aligned_alloc(64, STACK);
    void **top = (void **)(f->stack + STACK - 64);
    *--top = NULL;
    *--top = (void *)begin;
    void *saved[] = {NULL, NULL, (void *)b, (void *)life, NULL, NULL}; // rbp, rbx, r12 to r15
    for (void *value : saved) *--top = value;
    f->top = top;
    f->done = false;
}

// Runs the threads of a block, one after the other where they do not wait for each other.
static void run_block(Block *b, const Thread &like, bool waits) {
    auto placed = [&](int i) {
        Thread t = like;
        t.place = {i % like.block.x, i / like.block.x % like.block.y, i / like.block.x / like.block.y};
        t.among = b;
        return t;
    };
    if (!waits) {
        for (int i = 0; i < b->count; i++) {
            Thread t = placed(i);
            kernel(&t, b->arguments);
        }
        return;
    }
    for (int i = 0; i < b->count; i++) {
        b->fibers[i].thread = placed(i);
        start(b, &b->fibers[i]);
    }
    for (int left = b->count; left > 0;) {
        for (int i = 0; i < b->count; i++) {
            if (b->fibers[i].done) continue;
            b->at = i;
            change(&b->top, b->fibers[i].top);
            left -= b->fibers[i].done;
        }
    }
}

// `shape`: blocks along x, y and z, threads of a block, and bytes that they share.
static void run_grid(void **arguments, const unsigned *shape, bool waits) {
    Thread like = {};
    like.grid = {shape[0], shape[1], shape[2]};
    like.block = {shape[3], shape[4], shape[5]};
    long blocks = (long)shape[0] * shape[1] * shape[2];
#pragma omp parallel
    {
        Block b = {};
        b.count = (int)(shape[3] * shape[4] * shape[5]);
        b.arguments = arguments;
        b.fibers = (Fiber *)calloc(b.count, sizeof(Fiber));
        Thread t = like;
        t.shared = (char *)aligned_alloc(64, (shape[6] + 127) / 64 * 64);
#pragma omp for schedule(dynamic, 8)
        for (long k = 0; k < blocks; k++) {
            t.block_place = {(unsigned)(k % shape[0]), (unsigned)(k / shape[0] % shape[1]), (unsigned)(k / shape[0] / shape[1])};
            memset(t.shared, 0xff, shape[6]);
            run_block(&b, t, waits);
        }
        for (int i = 0; i < b.count; i++) free(b.fibers[i].stack);
        free(b.fibers);
        free(t.shared);
    }
}
