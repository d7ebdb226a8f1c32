/*
 * Runs a program whose calls to the file system can be made to fail.
 *
 *     faults PROGRAM ARGUMENT...
 *
 * The program keeps this process, so that signals and its end are its own. A second process
 * gets its file calls from the kernel (seccomp's user notification: whoever makes them, libc
 * or not) and answers each with an error or lets it go on. That process is told what to do on
 * this one's standard input, and answers on standard output, a line for a line:
 *
 *     set CALLS WHAT FROM STEP COUNT PREFIX [PART]   ->  ok
 *     off                                            ->  seen N hit N last CALL PATH
 *
 * CALLS are names of the table below, with commas between, or `all`. WHAT is a number of
 * errno, `kill` (the program dies by SIGKILL in place of the call), or `short` (half is
 * written, and the calls after it fail with ENOSPC). Of the calls on a path that begins with
 * PREFIX, and has PART in it, the FROM-th fails (counted from 1), then each STEP-th, COUNT in
 * all; a COUNT of 0 is no bound.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE, OPEN, WRITE, SYNC, RENAME, LINK, UNLINK, MKDIR, READDIR, STAT, READ, LOCK, WATCH, MAP, DATE, TRUNCATE };

static const char *const kind_names[] = { "create", "open", "write", "sync", "rename", "link", "unlink",
    "mkdir", "readdir", "stat", "read", "lock", "watch", "map", "date", "truncate" };

#define NONE (-1)

/* Which arguments say what a call is about: a path, or a descriptor of it. */
struct call {
    int number;
    enum kind kind;
    int directory, path;   /* a path, relative to a descriptor unless NONE */
    int directory2, path2; /* the other path of rename and link */
    int descriptor;
    int flags; /* of open */
};

#define PATH(number, kind, path) { number, kind, NONE, path, NONE, NONE, NONE, NONE }
#define PATH_AT(number, kind, directory, path) { number, kind, directory, path, NONE, NONE, NONE, NONE }
#define DESCRIPTOR(number, kind, descriptor) { number, kind, NONE, NONE, NONE, NONE, descriptor, NONE }

static const struct call calls[] = {
#ifdef __NR_open
    { __NR_open, OPEN, NONE, 0, NONE, NONE, NONE, 1 },
    PATH(__NR_creat, CREATE, 0),
    { __NR_rename, RENAME, NONE, 0, NONE, 1, NONE, NONE },
    { __NR_link, LINK, NONE, 0, NONE, 1, NONE, NONE },
    PATH(__NR_unlink, UNLINK, 0),
    PATH(__NR_rmdir, UNLINK, 0),
    PATH(__NR_mkdir, MKDIR, 0),
    PATH(__NR_stat, STAT, 0),
    PATH(__NR_lstat, STAT, 0),
    PATH(__NR_access, STAT, 0),
#endif
    { __NR_openat, OPEN, 0, 1, NONE, NONE, NONE, 2 },
    { __NR_renameat, RENAME, 0, 1, 2, 3, NONE, NONE },
    { __NR_renameat2, RENAME, 0, 1, 2, 3, NONE, NONE },
    { __NR_linkat, LINK, 0, 1, 2, 3, NONE, NONE },
    PATH_AT(__NR_unlinkat, UNLINK, 0, 1),
    PATH_AT(__NR_mkdirat, MKDIR, 0, 1),
    PATH_AT(__NR_newfstatat, STAT, 0, 1),
    PATH_AT(__NR_statx, STAT, 0, 1),
    PATH_AT(__NR_faccessat, STAT, 0, 1),
    PATH_AT(__NR_utimensat, DATE, 0, 1),
    PATH(__NR_inotify_add_watch, WATCH, 1),
    DESCRIPTOR(__NR_fstat, STAT, 0),
    DESCRIPTOR(__NR_getdents64, READDIR, 0),
    DESCRIPTOR(__NR_read, READ, 0),
    DESCRIPTOR(__NR_pread64, READ, 0),
    DESCRIPTOR(__NR_readv, READ, 0),
    DESCRIPTOR(__NR_preadv, READ, 0),
    DESCRIPTOR(__NR_write, WRITE, 0),
    DESCRIPTOR(__NR_pwrite64, WRITE, 0),
    DESCRIPTOR(__NR_writev, WRITE, 0),
    DESCRIPTOR(__NR_pwritev, WRITE, 0),
    DESCRIPTOR(__NR_sendfile, WRITE, 0),
    DESCRIPTOR(__NR_copy_file_range, WRITE, 2),
    DESCRIPTOR(__NR_ftruncate, TRUNCATE, 0),
    DESCRIPTOR(__NR_fallocate, WRITE, 0),
    DESCRIPTOR(__NR_fsync, SYNC, 0),
    DESCRIPTOR(__NR_fdatasync, SYNC, 0),
    DESCRIPTOR(__NR_flock, LOCK, 0),
    DESCRIPTOR(__NR_mmap, MAP, 4),
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

enum what { FAIL, KILL, SHORT };

static struct {
    unsigned kinds; /* a bit for each; none when nothing is to fail */
    enum what what;
    int error;
    long from, step, count;
    char prefix[PATH_MAX], part[256];
    long seen, hit;
    char last[PATH_MAX + 32];
} rule;

static pid_t program;

static void die(const char *what)
{
    fprintf(stderr, "faults: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* Asks the kernel for the calls of this process and all it becomes; its listener. */
static int listen_to_calls(void)
{
    struct sock_filter filter[COUNT(calls) * 2 + 8];
    int length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    /* Memory without a file is asked for all the time. */
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 0, 3);
    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4]));
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xFFFFFFFF, 0, 2 * COUNT(calls) + 2);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (int at = 0; at < COUNT(calls); at++) {
        if (calls[at].number == __NR_mmap)
            continue;
        filter[length++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[at].number, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    /* A file is mapped: the jump above, corrected, ends here. */
    filter[3].jt = 0;
    filter[3].jf = (unsigned char)(length - 4);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog code = { (unsigned short)length, filter };
    /* Needed without root, and the server wants it anyway. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die("no_new_privs");
    int listener =
        (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &code);
    if (listener < 0)
        die("seccomp");
    return listener;
}

static void send_descriptor(int to, int descriptor)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
        .msg_controllen = sizeof control };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    if (sendmsg(to, &message, 0) < 0)
        die("sendmsg");
}

static int receive_descriptor(int from)
{
    int descriptor = -1;
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
        .msg_controllen = sizeof control };
    if (recvmsg(from, &message, 0) <= 0)
        exit(125); /* the other said why */
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL)
        exit(125);
    memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
    return descriptor;
}

static void path_of_descriptor(pid_t thread, int descriptor, char *path)
{
    char link[64];
    if (descriptor == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", (int)thread);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)thread, descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static void path_of_argument(pid_t thread, int directory, unsigned long long address, char *path)
{
    char given[PATH_MAX];
    size_t length = 0;
    /* Not across the end of what is mapped: a page at a time. */
    while (length < sizeof given - 1) {
        size_t wanted = 4096 - (address + length) % 4096;
        if (wanted > sizeof given - 1 - length)
            wanted = sizeof given - 1 - length;
        struct iovec here = { given + length, wanted }, there = { (void *)(address + length), wanted };
        ssize_t count = process_vm_readv(thread, &here, 1, &there, 1, 0);
        if (count <= 0)
            break;
        length += (size_t)count;
        if (memchr(given + length - count, 0, (size_t)count) != NULL)
            break;
    }
    given[length] = 0;
    if (given[0] == '/') {
        snprintf(path, PATH_MAX, "%s", given);
        return;
    }
    path_of_descriptor(thread, directory, path);
    if (given[0] != 0) {
        size_t base = strlen(path);
        snprintf(path + base, PATH_MAX - base, "/%s", given);
    }
}

static int is_meant(const char *path)
{
    return strncmp(path, rule.prefix, strlen(rule.prefix)) == 0 && strstr(path, rule.part) != NULL;
}

/* Writes half of what is to be written in the program's name; how much, or 0. */
static long write_half(const struct seccomp_notif *request)
{
    if (request->data.nr != __NR_write || request->data.args[2] < 2)
        return 0;
    size_t half = request->data.args[2] / 2;
    char *bytes = malloc(half);
    struct iovec here = { bytes, half }, there = { (void *)request->data.args[1], half };
    int process = (int)syscall(__NR_pidfd_open, program, 0);
    int file = (int)syscall(__NR_pidfd_getfd, process, (int)request->data.args[0], 0);
    long written = 0;
    if (file >= 0 && process_vm_readv((pid_t)request->pid, &here, 1, &there, 1, 0) == (ssize_t)half)
        written = write(file, bytes, half);
    close(file);
    close(process);
    free(bytes);
    return written < 0 ? 0 : written;
}

static void answer(int listener, const struct seccomp_notif *request)
{
    struct seccomp_notif_resp response = { .id = request->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    const struct call *call = calls;
    while (call < calls + COUNT(calls) && call->number != request->data.nr)
        call++;
    if (rule.kinds == 0 || call == calls + COUNT(calls))
        goto send;
    enum kind kind = call->kind;
    if (call->flags != NONE && (request->data.args[call->flags] & O_CREAT) != 0)
        kind = CREATE;
    if ((rule.kinds & 1u << kind) == 0)
        goto send;
    char path[PATH_MAX] = "", path2[PATH_MAX] = "";
    pid_t thread = (pid_t)request->pid;
    if (call->descriptor != NONE)
        path_of_descriptor(thread, (int)request->data.args[call->descriptor], path);
    else
        path_of_argument(thread, call->directory == NONE ? AT_FDCWD : (int)request->data.args[call->directory],
            request->data.args[call->path], path);
    if (call->path2 != NONE)
        path_of_argument(thread, call->directory2 == NONE ? AT_FDCWD : (int)request->data.args[call->directory2],
            request->data.args[call->path2], path2);
    if (!is_meant(path) && !(path2[0] != 0 && is_meant(path2)))
        goto send;
    rule.seen++;
    int due = rule.seen >= rule.from && (rule.seen - rule.from) % rule.step == 0;
    if (!due || (rule.count != 0 && rule.hit >= rule.count))
        goto send;
    rule.hit++;
    snprintf(rule.last, sizeof rule.last, "%s %s", kind_names[kind], path);
    if (rule.what == KILL) {
        kill(program, SIGKILL);
        return;
    }
    long written = rule.what == SHORT && rule.hit == 1 ? write_half(request) : 0;
    response.flags = 0;
    response.val = written;
    response.error = written > 0 ? 0 : -rule.error;
send:
    /* It fails when the program was killed meanwhile. */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void obey(char *line)
{
    char names[256], what[32];
    if (strncmp(line, "off", 3) == 0) {
        rule.kinds = 0;
        printf("seen %ld hit %ld last %s\n", rule.seen, rule.hit, rule.last);
        return;
    }
    memset(&rule, 0, sizeof rule);
    if (sscanf(line, "set %255s %31s %ld %ld %ld %4095s %255s", names, what, &rule.from, &rule.step, &rule.count,
            rule.prefix, rule.part) < 6 || rule.step < 1) {
        printf("what is this: %s", line);
        return;
    }
    rule.what = strcmp(what, "kill") == 0 ? KILL : strcmp(what, "short") == 0 ? SHORT : FAIL;
    rule.error = rule.what == FAIL ? atoi(what) : ENOSPC;
    unsigned kinds = 0;
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        unsigned before = kinds;
        for (int kind = 0; kind < COUNT(kind_names); kind++)
            if (strcmp(name, "all") == 0 || strcmp(name, kind_names[kind]) == 0)
                kinds |= 1u << kind;
        if (kinds == before) {
            printf("no such call: %s\n", name);
            return;
        }
    }
    rule.kinds = kinds;
    printf("ok\n");
}

static void supervise(int listener)
{
    struct pollfd both[] = { { .fd = listener, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
    for (;;) {
        if (poll(both, 2, -1) < 0 && errno != EINTR)
            die("poll");
        if ((both[0].revents & POLLIN) != 0) {
            struct seccomp_notif request = { 0 };
            /* It fails when the program was killed meanwhile. */
            if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0)
                answer(listener, &request);
        } else if ((both[0].revents & (POLLHUP | POLLERR)) != 0 && (both[1].revents & POLLIN) == 0) {
            exit(0);
        }
        if ((both[1].revents & (POLLIN | POLLHUP)) != 0) {
            char line[PATH_MAX + 600];
            ssize_t length = read(0, line, sizeof line - 1);
            if (length <= 0) {
                /* Nobody is there who could end the program. */
                kill(program, SIGKILL);
                exit(0);
            }
            line[length] = 0;
            obey(line);
            fflush(stdout);
        }
    }
}

int main(int argc, char **argv)
{
    int ends[2];
    if (argc < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        die("usage: faults PROGRAM ARGUMENT...");
    program = getpid();
    pid_t supervisor = fork();
    if (supervisor < 0)
        die("fork");
    if (supervisor == 0) {
        close(ends[0]);
        int listener = receive_descriptor(ends[1]);
        close(ends[1]);
        supervise(listener);
    }
    close(ends[1]);
    /* Where Yama lets only ancestors look into a process. */
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    dup2(2, 1);
    close(nothing);
    send_descriptor(ends[0], listen_to_calls());
    close(ends[0]);
    execv(argv[1], argv + 1);
    die(argv[1]);
}
