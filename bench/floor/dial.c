/* The load on accept: connections that are made, exchange one framed message each, and end.
 *
 * For each line that it reads, a number, it makes so many connections, AT_ONCE of them at a time. Each sends one
 * message, takes the echo, says that it has ended, and waits until the server has ended, too: so the server has come to
 * rest when the last is gone. Then it prints how many there were and how many nanoseconds it took.
 *
 * usage: dial PORT AT_ONCE SIZE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, PATIENCE_MS = 20000 };

struct peer {
    int fd;
    size_t came;
};

static uint8_t *message, *sink;
static size_t message_size;
static int poller;
static struct sockaddr_in address;

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

/* Connect, and send: a connect to this machine returns as soon as the kernel has queued it for the server. */
static void begin(struct peer *peer)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = peer};
    peer->came = 0;
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, peer->fd, &interest))
        fail("epoll_ctl");
    if (send(peer->fd, message, message_size, MSG_NOSIGNAL) != (ssize_t)message_size)
        fail("send");
}

/* Read once; return whether this connection is over. */
static int go_on(struct peer *peer)
{
    ssize_t count = recv(peer->fd, sink, message_size, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count < 0 || (count == 0 && peer->came != message_size))
        fail("recv");
    if (count == 0) {
        close(peer->fd);
        return 1;
    }
    peer->came += (size_t)count;
    if (peer->came == message_size && shutdown(peer->fd, SHUT_WR))
        fail("shutdown");
    return 0;
}

static void window(struct peer *peers, long at_once, long count)
{
    static struct epoll_event events[EVENTS];
    long begun = 0, over = 0;
    for (; begun < at_once && begun < count; begun++)
        begin(&peers[begun]);
    while (over < count) {
        int ready = epoll_wait(poller, events, EVENTS, PATIENCE_MS);
        if (ready == 0) {
            fprintf(stderr, "dial: %ld connections did not end\n", begun - over);
            exit(1);
        }
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!go_on(peer))
                continue;
            over++;
            if (begun < count) {
                begin(peer);
                begun++;
            }
        }
    }
}

int main(int words, char **word)
{
    if (words != 4) {
        fprintf(stderr, "usage: dial PORT AT_ONCE SIZE\n");
        return 2;
    }
    long at_once = atol(word[2]), count;
    uint32_t size = (uint32_t)atol(word[3]), header = htonl(size);

    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(word[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    message_size = 4 + (size_t)size;
    message = calloc(1, message_size);
    sink = calloc(1, message_size);
    memcpy(message, &header, 4);
    poller = epoll_create1(0);
    struct peer *peers = calloc((size_t)at_once, sizeof *peers);
    printf("ready\n");
    fflush(stdout);
    while (scanf("%ld", &count) == 1) {
        int64_t begin_time = now();
        window(peers, at_once, count);
        printf("%ld %ld\n", count, (long)(now() - begin_time));
        fflush(stdout);
    }
    return 0;
}
