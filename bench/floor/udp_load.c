/* The load for datagrams: sockets that exchange them with a server under test.
 *
 * It connects PEERS sockets, says "ready", and then makes a window for each line that it reads: for so many milliseconds
 * IN_FLIGHT datagrams are kept under way on each socket, every one that comes back is sent again. In the end it takes
 * the last ones, and prints how many came and how many nanoseconds it took. One that is lost ends it: the queues of the
 * kernel have room for all.
 *
 * usage: udp_load PORT PEERS IN_FLIGHT SIZE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, PATIENCE = 2000 };

static char datagram[65536], came[65536];
static size_t size;
static int poller, *socks;
static long peers, under_way, count;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void push(int sock)
{
    if (send(sock, datagram, size, 0) != (ssize_t)size)
        fail("send");
    under_way++;
}

static void step(int going_on)
{
    static struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, PATIENCE);
    if (ready <= 0) {
        fprintf(stderr, "udp_load: %ld datagrams did not come back\n", under_way);
        exit(1);
    }
    for (int each = 0; each < ready; each++) {
        int sock = events[each].data.fd;
        while (recv(sock, came, sizeof came, 0) == (ssize_t)size) {
            under_way--;
            count++;
            if (going_on)
                push(sock);
            else if (!under_way)
                return;
        }
    }
}

int main(int argc, char **argv)
{
    char line[100];
    if (argc != 5)
        return fprintf(stderr, "usage: udp_load PORT PEERS IN_FLIGHT SIZE\n"), 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    peers = atol(argv[2]);
    long in_flight = atol(argv[3]);
    size = (size_t)atol(argv[4]);
    memset(datagram, 'x', size);
    socks = calloc((size_t)peers, sizeof *socks);
    poller = epoll_create1(0);
    for (long each = 0; each < peers; each++) {
        int sock = socks[each] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sock};
        if (connect(sock, (struct sockaddr *)&address, sizeof address) || epoll_ctl(poller, EPOLL_CTL_ADD, sock, &event))
            fail("connect");
    }
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int64_t begun = now(), end = begun + atol(line) * INT64_C(1000000);
        count = 0;
        for (long each = 0; each < peers * in_flight; each++)
            push(socks[each % peers]);
        while (now() < end)
            step(1);
        while (under_way)
            step(0);
        printf("%ld %lld\n", count, (long long)(now() - begun));
        fflush(stdout);
    }
    return 0;
}
