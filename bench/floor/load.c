/* The load: connections that each keep some framed messages in flight to an echo server. Not the bottleneck.
 *
 * It counts whole messages that came back, and sends as many new ones in one send. "start" is printed when it is warm,
 * "stop N" when the measured time is over: N messages came in between. Whoever reads these lines looks at the server's
 * clock then.
 *
 * usage: load PORT CONNECTIONS IN_FLIGHT SIZE WARM_MS MEASURED_MS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ = 1 << 20, EVENTS = 1024 };

struct peer {
    int fd;
    size_t came;    /* bytes of a message that is not whole yet */
    size_t to_send; /* bytes of the batch that are not sent yet */
};

static uint8_t sink[READ];
static uint8_t *batch; /* IN_FLIGHT messages */
static size_t batch_size, message_size;
static int poller;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void want(struct peer *peer, uint32_t events)
{
    struct epoll_event interest = {.events = events, .data.ptr = peer};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, peer->fd, &interest))
        fail("epoll_ctl");
}

/* Send what is due. All messages are the same bytes, so any whole number of them is the end of the batch. */
static void push(struct peer *peer)
{
    while (peer->to_send) {
        size_t size = peer->to_send < batch_size ? peer->to_send : batch_size;
        ssize_t sent = send(peer->fd, batch + batch_size - size, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            want(peer, EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent < 0)
            fail("send");
        peer->to_send -= (size_t)sent;
    }
}

static long pull(struct peer *peer)
{
    ssize_t count = recv(peer->fd, sink, READ, 0);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count <= 0)
        fail("recv");
    peer->came += (size_t)count;
    long whole = (long)(peer->came / message_size);
    peer->came %= message_size;
    peer->to_send += (size_t)whole * message_size;
    return whole;
}

static struct peer *dial(int port)
{
    int one = 1;
    struct peer *peer = calloc(1, sizeof *peer);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, peer->fd, &interest))
        fail("epoll_ctl");
    return peer;
}

static long run_until(double deadline)
{
    static struct epoll_event events[EVENTS];
    long messages = 0;
    while (now() < deadline) {
        int ready = epoll_wait(poller, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            size_t waited = peer->to_send;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                messages += pull(peer);
            if (peer->to_send)
                push(peer);
            if (waited && !peer->to_send)
                want(peer, EPOLLIN);
        }
    }
    return messages;
}

int main(int count, char **words)
{
    if (count != 7) {
        fprintf(stderr, "usage: load PORT CONNECTIONS IN_FLIGHT SIZE WARM_MS MEASURED_MS\n");
        return 2;
    }
    int port = atoi(words[1]), connections = atoi(words[2]), in_flight = atoi(words[3]);
    size_t size = (size_t)atol(words[4]);
    uint32_t header = htonl((uint32_t)size);

    message_size = 4 + size;
    batch_size = (size_t)in_flight * message_size;
    batch = calloc(1, batch_size);
    for (int i = 0; i < in_flight; i++)
        memcpy(batch + (size_t)i * message_size, &header, 4);
    poller = epoll_create1(0);
    struct peer **peers = calloc((size_t)connections, sizeof *peers);
    for (int i = 0; i < connections; i++) {
        peers[i] = dial(port);
        if (fcntl(peers[i]->fd, F_SETFL, O_NONBLOCK))
            fail("fcntl");
    }
    for (int i = 0; i < connections; i++) {
        peers[i]->to_send = batch_size;
        push(peers[i]);
    }
    run_until(now() + atof(words[5]));
    printf("start\n");
    fflush(stdout);
    long messages = run_until(now() + atof(words[6]));
    printf("stop %ld\n", messages);
    fflush(stdout);
    return 0;
}
