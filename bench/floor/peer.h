/* What the loads share: a connection to the server under test, over TCP, TLS or a Unix socket, that sends and receives
 * as send(2) and recv(2) do.
 *
 * OpenSSL is taken from the library that Python's `ssl` uses, too, when it is needed: nothing else has to be installed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ = 1 << 20, EVENTS = 1024, PATIENCE_MS = 20000, RECORD = 16384 + 512 };

struct peer {
    int fd;
    void *tls;      /* its session, NULL for none */
    size_t came;    /* bytes of a message that is not whole yet */
    size_t to_send; /* bytes of messages that are not sent yet */
    long place, taken;
};

static uint8_t sink[READ];
static int poller;
static struct sockaddr_un path;
static struct sockaddr_in port;
static void *tls_context;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- TLS: as much of OpenSSL 3 as is used here */

enum { WANT_READ = 2, WANT_WRITE = 3, ZERO_RETURN = 6 };                  /* SSL_get_error */
enum { CTRL_MODE = 33, CTRL_READ_AHEAD = 41, PARTIAL_MOVING_WRITES = 3 }; /* SSL_CTX_ctrl */
enum { IGNORE_UNEXPECTED_EOF = 1 << 7 };                                  /* SSL_CTX_set_options */

static void *(*TLS_client_method)(void), *(*SSL_CTX_new)(void *), *(*SSL_new)(void *);
static long (*SSL_CTX_ctrl)(void *, int, long, void *);
static uint64_t (*SSL_CTX_set_options)(void *, uint64_t);
static void (*SSL_CTX_set_default_read_buffer_len)(void *, size_t);
static void (*SSL_set_connect_state)(void *), (*SSL_free)(void *), (*ERR_clear_error)(void);
static int (*SSL_set_fd)(void *, int), (*SSL_get_error)(void *, int), (*SSL_shutdown)(void *);
static int (*SSL_read)(void *, void *, int), (*SSL_write)(void *, const void *, int), (*SSL_do_handshake)(void *);

#define TAKE(name) take(#name, (void **)&name)

static void take(const char *name, void **place)
{
    static void *library;
    if (!library)
        library = dlopen("libssl.so.3", RTLD_NOW);
    if (!library || !(*place = dlsym(library, name))) {
        fprintf(stderr, "OpenSSL 3 is missing, and TLS needs it: %s\n", dlerror());
        exit(1);
    }
}

/* Bytes are read ahead of their record, else each record would take two calls of recv. No certificate is checked. */
static void use_tls(void)
{
    TAKE(TLS_client_method), TAKE(SSL_CTX_new), TAKE(SSL_new), TAKE(SSL_CTX_ctrl), TAKE(SSL_CTX_set_options);
    TAKE(SSL_CTX_set_default_read_buffer_len), TAKE(SSL_set_connect_state), TAKE(SSL_free), TAKE(ERR_clear_error);
    TAKE(SSL_set_fd), TAKE(SSL_get_error), TAKE(SSL_shutdown), TAKE(SSL_read), TAKE(SSL_write), TAKE(SSL_do_handshake);
    tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_ctrl(tls_context, CTRL_MODE, PARTIAL_MOVING_WRITES, NULL);
    SSL_CTX_ctrl(tls_context, CTRL_READ_AHEAD, 1, NULL);
    SSL_CTX_set_default_read_buffer_len(tls_context, 4 * RECORD);
    SSL_CTX_set_options(tls_context, IGNORE_UNEXPECTED_EOF);
}

/* Return -1 and errno, as a system call would, for a result that is not a count. */
static ssize_t not_done(struct peer *peer, int result)
{
    int error = SSL_get_error(peer->tls, result);
    if (error == WANT_READ || error == WANT_WRITE) /* a handshake may want either; a full socket is told by EPOLLOUT */
        errno = EAGAIN;
    else if (error == ZERO_RETURN)
        return 0;
    else if (!errno)
        errno = EPROTO;
    return -1;
}

/* --- a connection */

/* Remember where the server is: ROAD is tcp, tls or unix, ADDRESS a port or a path. */
static void go_by(const char *road, const char *address)
{
    poller = epoll_create1(0);
    path.sun_family = AF_UNIX;
    strncpy(path.sun_path, address, sizeof path.sun_path - 1);
    port.sin_family = strcmp(road, "unix") ? AF_INET : AF_UNSPEC;
    port.sin_port = htons((uint16_t)atoi(address));
    port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!strcmp(road, "tls"))
        use_tls();
}

static void want(struct peer *peer, int operation, uint32_t events)
{
    struct epoll_event interest = {.events = events, .data.ptr = peer};
    if (epoll_ctl(poller, operation, peer->fd, &interest))
        fail("epoll_ctl");
}

/* Connect: on this machine that returns as soon as the kernel has queued it for the server. */
static void dial(struct peer *peer)
{
    int one = 1, inet = port.sin_family == AF_INET;
    struct sockaddr *address = inet ? (struct sockaddr *)&port : (struct sockaddr *)&path;
    peer->came = peer->to_send = 0;
    peer->fd = socket(inet ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
    if (peer->fd < 0 || connect(peer->fd, address, inet ? sizeof port : sizeof path))
        fail("connect");
    if (inet && setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one))
        fail("setsockopt");
    if (tls_context) {
        peer->tls = SSL_new(tls_context);
        SSL_set_fd(peer->tls, peer->fd);
        SSL_set_connect_state(peer->tls);
    }
}

static void go_on_without_waiting(struct peer *peer)
{
    if (fcntl(peer->fd, F_SETFL, O_NONBLOCK))
        fail("fcntl");
    want(peer, EPOLL_CTL_ADD, EPOLLIN);
}

static ssize_t send_some(struct peer *peer, const uint8_t *data, size_t size)
{
    if (!peer->tls)
        return send(peer->fd, data, size, MSG_NOSIGNAL);
    ERR_clear_error();
    errno = 0;
    int count = SSL_write(peer->tls, data, (int)size);
    return count > 0 ? count : not_done(peer, count);
}

static ssize_t receive_some(struct peer *peer)
{
    if (!peer->tls)
        return recv(peer->fd, sink, READ, 0);
    ERR_clear_error();
    errno = 0;
    int count = SSL_read(peer->tls, sink, READ);
    return count > 0 ? count : not_done(peer, count);
}

/* Say that nothing more will come. */
static inline void end_sending(struct peer *peer)
{
    if (peer->tls)
        SSL_shutdown(peer->tls);
    if (shutdown(peer->fd, SHUT_WR) && errno != ENOTCONN)
        fail("shutdown");
}

static inline void forget_tls(struct peer *peer)
{
    if (peer->tls)
        SSL_free(peer->tls);
    peer->tls = NULL;
}
