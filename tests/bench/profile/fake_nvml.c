/* A small libnvidia-ml.so.1 for tests: two GPUs, and every way in which the real library lets one down.

   What it does is read at each call from the environment variable FAKE_NVML, words like `energy=3 throttle=32`:
     init=CODE                          nvmlInit answers with this nvmlReturn_t
     energy= power= memory= processes= throttle_status= utilisation= clock= temperature=CODE     so does this query
     all=CODE                           so does every query of a device
     lost_after=K                       the device is lost (15) from the K-th query on
     throttle=BITS                      what slows the clocks
     used_mib=N                         memory in use beyond 1 GiB
     pids=none|host|self|self,host      compute processes; host is a number that is not ours
     process_memory=na                  the driver does not tell a process's memory
     stuck=1  reset=1                   the energy counter stands still; has gone back
     mig=1                              GPU 0 is cut; its slice 1 exists (slice 0 does not)
   Energy goes up with the wall clock, GPU 0 at 100 W and GPU 1 at 250 W, in steps of 50 ms. Layouts: nvml.h, as in pynvml.
   Compiled with -DWITHOUT_ENERGY that call is missing; with -DNEW_NAMES those that CUDA 14 drops are. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, LOST = 15 };
enum { HOST_PID = 1 << 23 }; /* no process here can have it: Linux ends at 1 << 22 */

typedef struct { const char *name, *uuid; unsigned watts; int is_slice; } device;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process_v3;
typedef struct { unsigned gpu, memory; } utilisation;
typedef struct { unsigned version, sensor; int celsius; } temperature_v1;

static device gpus[2] = {
    {"Fake Small GPU", "GPU-aaaaaaaa-0000-4000-8000-000000000000", 100, 0},
    {"Fake Large GPU", "GPU-bbbbbbbb-1111-4111-8111-111111111111", 250, 0},
};
static device slice = {"Fake Small GPU MIG 1g.10gb", "MIG-cccccccc-2222-4222-8222-222222222222", 0, 1};
static long queries;

/* The text after `key=` in FAKE_NVML, or NULL. */
static const char *text(const char *key) {
    const char *all = getenv("FAKE_NVML");
    size_t length = strlen(key);
    for (const char *at = all; at && (at = strstr(at, key)); at++)
        if ((at == all || at[-1] == ' ') && at[length] == '=') return at + length + 1;
    return NULL;
}

static long number(const char *key, long otherwise) {
    const char *found = text(key);
    return found ? strtol(found, NULL, 0) : otherwise;
}

static int word(const char *key, const char *wanted) {
    const char *found = text(key);
    return found && strstr(found, wanted) && strcspn(found, " ") >= (size_t)(strstr(found, wanted) - found) + strlen(wanted);
}

/* Before every query of a device: what goes wrong with it. */
static int answer(const char *key) {
    queries++;
    if (text("lost_after") && queries >= number("lost_after", 0)) return LOST;
    if (text("all")) return (int)number("all", SUCCESS);
    return (int)number(key, SUCCESS);
}

/* As `answer`, for what a MIG slice has none of. */
static int answer_of(const device *d, const char *key) { return d->is_slice ? NOT_SUPPORTED : answer(key); }

static int copy(char *to, unsigned size, const char *from) {
    if (strlen(from) >= size) return INSUFFICIENT_SIZE;
    strcpy(to, from);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return (int)number("init", SUCCESS); }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { static char words[32]; snprintf(words, sizeof words, "fake error %d", code); return words; }
int nvmlSystemGetDriverVersion(char *to, unsigned size) { return copy(to, size, "580.00.fake"); }
int nvmlSystemGetNVMLVersion(char *to, unsigned size) { return copy(to, size, "13.580.00.fake"); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **d) {
    if (index > 1) return INVALID_ARGUMENT;
    *d = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, device **d) {
    device *known[3] = {&gpus[0], &gpus[1], &slice};
    for (int i = 0; i < (number("mig", 0) ? 3 : 2); i++)
        if (!strcmp(uuid, known[i]->uuid)) { *d = known[i]; return SUCCESS; }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(device *d, char *to, unsigned size) { return copy(to, size, d->uuid); }
int nvmlDeviceGetName(device *d, char *to, unsigned size) { return copy(to, size, d->name); }

int nvmlDeviceGetMigMode(device *d, unsigned *current, unsigned *pending) {
    if (d != &gpus[0]) return NOT_SUPPORTED;
    *current = *pending = (unsigned)number("mig", 0);
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(device *d, unsigned *count) { *count = d == &gpus[0] ? 7 : 0; return SUCCESS; }

int nvmlDeviceGetMigDeviceHandleByIndex(device *d, unsigned index, device **found) {
    if (d != &gpus[0] || !number("mig", 0) || index != 1) return NOT_FOUND;
    *found = &slice;
    return SUCCESS;
}

#ifndef WITHOUT_ENERGY
int nvmlDeviceGetTotalEnergyConsumption(device *d, unsigned long long *millijoules) {
    int code = answer_of(d, "energy");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned long long steps = (unsigned long long)now.tv_sec * 20 + (unsigned long long)now.tv_nsec / 50000000;
    *millijoules = number("stuck", 0) ? 123456 : steps * d->watts * 50;
    if (number("reset", 0)) *millijoules /= 1000;
    return code;
}
#endif

int nvmlDeviceGetPowerUsage(device *d, unsigned *milliwatts) {
    *milliwatts = d->watts * 1000;
    return answer_of(d, "power");
}

int nvmlDeviceGetMemoryInfo_v2(device *d, memory_v2 *m) {
    (void)d;
    if (m->version != (sizeof(memory_v2) | 2 << 24)) return INVALID_ARGUMENT;
    m->total = 80ULL << 30;
    m->reserved = 1ULL << 29;
    m->used = (1ULL << 30) + ((unsigned long long)number("used_mib", 0) << 20);
    m->free = m->total - m->reserved - m->used;
    return answer("memory");
}

int nvmlDeviceGetComputeRunningProcesses_v3(device *d, unsigned *count, process_v3 *to) {
    (void)d;
    int code = answer("processes");
    if (code != SUCCESS) return code;
    unsigned long long used = word("process_memory", "na") ? ~0ULL : 3ULL << 29;
    process_v3 found[2] = {0};
    unsigned n = 0;
    if (!text("pids") || word("pids", "self")) found[n++] = (process_v3){(unsigned)getpid(), used, ~0U, ~0U};
    if (word("pids", "host")) found[n++] = (process_v3){HOST_PID, used, ~0U, ~0U};
    unsigned room = *count;
    *count = n;
    if (room < n) return INSUFFICIENT_SIZE;
    memcpy(to, found, n * sizeof *to);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(device *d, utilisation *u) {
    u->gpu = 75;
    u->memory = 40;
    return answer_of(d, "utilisation");
}

int nvmlDeviceGetClockInfo(device *d, int kind, unsigned *mhz) {
    *mhz = kind == 1 ? 1410 : 9; /* 1: multiprocessors */
    return answer_of(d, "clock");
}

static int celsius(device *d, int *to) { *to = 61; return answer_of(d, "temperature"); }
static int bits(device *d, unsigned long long *to) { *to = (unsigned long long)number("throttle", 0); return answer_of(d, "throttle_status"); }

#ifdef NEW_NAMES
int nvmlDeviceGetTemperatureV(device *d, temperature_v1 *t) { return celsius(d, &t->celsius); }
int nvmlDeviceGetCurrentClocksEventReasons(device *d, unsigned long long *to) { return bits(d, to); }
#else
int nvmlDeviceGetTemperature(device *d, int sensor, unsigned *to) { (void)sensor; return celsius(d, (int *)to); }
int nvmlDeviceGetCurrentClocksThrottleReasons(device *d, unsigned long long *to) { return bits(d, to); }
#endif
