/* The load: connections that each keep some framed messages in flight to an echo server. Not the bottleneck.
 *
 * It connects, says "ready", and then makes a window for each line that it reads: a number of milliseconds in which
 * every whole message that comes back is answered by a new one. Then it takes the last answers, so that nothing is left
 * under way and the server has come to rest, and prints how many messages came back and how many nanoseconds it took.
 *
 * usage: load PORT CONNECTIONS IN_FLIGHT SIZE
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

enum { READ = 1 << 20, EVENTS = 1024, PATIENCE_MS = 20000 };

struct peer {
    int fd;
    size_t came;    /* bytes of a message that is not whole yet */
    size_t to_send; /* bytes of messages that are not sent yet */
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

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
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

/* Read once; return how many messages are whole now. */
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
    if (setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) || fcntl(peer->fd, F_SETFL, O_NONBLOCK))
        fail("setsockopt");
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, peer->fd, &interest))
        fail("epoll_ctl");
    return peer;
}

/* Keep all connections busy until the deadline, then take what is still under way. Return the messages that came. */
static long window(struct peer **peers, int connections, int in_flight, int64_t deadline)
{
    static struct epoll_event events[EVENTS];
    long messages = 0, under_way = (long)connections * in_flight;
    for (int i = 0; i < connections; i++) {
        peers[i]->to_send = batch_size;
        push(peers[i]);
    }
    while (under_way) {
        int ready = epoll_wait(poller, events, EVENTS, PATIENCE_MS), going_on = now() < deadline;
        if (ready == 0) {
            fprintf(stderr, "load: %ld answers did not come\n", under_way);
            exit(1);
        }
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            size_t waited = peer->to_send;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                long whole = pull(peer);
                messages += whole;
                if (going_on)
                    peer->to_send += (size_t)whole * message_size;
                else
                    under_way -= whole;
            }
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
    if (count != 5) {
        fprintf(stderr, "usage: load PORT CONNECTIONS IN_FLIGHT SIZE\n");
        return 2;
    }
    int port = atoi(words[1]), connections = atoi(words[2]), in_flight = atoi(words[3]), milliseconds;
    size_t size = (size_t)atol(words[4]);
    uint32_t header = htonl((uint32_t)size);

    message_size = 4 + size;
    batch_size = (size_t)in_flight * message_size;
    batch = calloc(1, batch_size);
    for (int i = 0; i < in_flight; i++)
        memcpy(batch + (size_t)i * message_size, &header, 4);
    poller = epoll_create1(0);
    struct peer **peers = calloc((size_t)connections, sizeof *peers);
    for (int i = 0; i < connections; i++)
        peers[i] = dial(port);
    printf("ready\n");
    fflush(stdout);
    while (scanf("%d", &milliseconds) == 1) {
        int64_t begin = now();
        long messages = window(peers, connections, in_flight, begin + (int64_t)milliseconds * 1000000);
        printf("%ld %ld\n", messages, (long)(now() - begin));
        fflush(stdout);
    }
    return 0;
}
