/* A disk that fails when it is told to: loaded before the C library (LD_PRELOAD) of a server.
 *
 * While the file $FAILING_DISK_ERRNO exists, whatever would change a file below $FAILING_DISK_ROOT fails with the number
 * in it: 28, no space; 30, mounted read-only; 5, an error of the device. Reading goes on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int (*system_open)(const char *, int, ...);

__attribute__((constructor)) static void find_open(void) { system_open = dlsym(RTLD_NEXT, "open"); }

static int failing(void) {
    char number[8] = "";
    const char *path = getenv("FAILING_DISK_ERRNO");
    int file = path && system_open ? system_open(path, O_RDONLY) : -1;
    if (file < 0) return 0;
    ssize_t got = read(file, number, sizeof number - 1);
    close(file);
    return got > 0 ? atoi(number) : 0;
}

static int below(const char *path) {
    const char *root = getenv("FAILING_DISK_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int is_below(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return below(path);
}

static int refused(int concerned) {
    int kept = errno, number = concerned ? failing() : 0;
    errno = number ? number : kept;
    return number;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                        \
    int name(const char *path, int flags, ...) {                                          \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;           \
        va_end(rest);                                                                     \
        int changes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;                 \
        if (changes && refused(below(path))) return -1;                                   \
        return NEXT(name)(path, flags, mode);                                             \
    }
OPEN(open)
OPEN(open64)

#define WRITE(type, name, parameters, file, arguments)                                    \
    type name parameters {                                                                \
        if (refused(is_below(file))) return -1;                                           \
        return NEXT(name) arguments;                                                      \
    }
WRITE(ssize_t, write, (int file, const void *data, size_t size), file, (file, data, size))
WRITE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), file, (file, data, size, at))
WRITE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), file, (file, data, size, at))
WRITE(int, ftruncate, (int file, off_t size), file, (file, size))
WRITE(int, ftruncate64, (int file, off64_t size), file, (file, size))

#define CHANGE(name, parameters, path, arguments)                                         \
    int name parameters {                                                                 \
        if (refused(below(path))) return -1;                                              \
        return NEXT(name) arguments;                                                      \
    }
CHANGE(rename, (const char *from, const char *to), to, (from, to))
CHANGE(unlink, (const char *path), path, (path))
CHANGE(mkdir, (const char *path, mode_t mode), path, (path, mode))
CHANGE(chmod, (const char *path, mode_t mode), path, (path, mode))
