/* The floor of an echo server: epoll, one shared buffer, one send a read, and nothing checked.
 *
 * It sends whole frames back, as every server in the bench does, and keeps an unfinished tail per connection. No
 * limits, no timeouts, no write queue: a short send waits for the socket, since the load never stops reading.
 *
 * usage: echo PROTOCOL [PATH]   prints its port, or its path, on a line of its own
 *
 * PROTOCOL is "framed"; "raw", which sends back what came; or "broadcast", which sends it to all connections.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ = 256 * 1024, EVENTS = 1024, MAX_FD = 65536 };

struct tail {
    uint8_t *bytes;
    size_t size, room;
};

static uint8_t shared[READ];
static struct tail tails[MAX_FD];
static uint8_t is_open[MAX_FD];
static int highest;
static enum { FRAMED, RAW, BROADCAST } protocol;

static void send_all(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                return;
            struct pollfd wait = {fd, POLLOUT, 0};
            poll(&wait, 1, -1);
            continue;
        }
        data += sent;
        size -= (size_t)sent;
    }
}

/* Return how many bytes at the front are whole frames. */
static size_t whole(const uint8_t *data, size_t size)
{
    size_t pos = 0;
    while (size - pos >= 4) {
        uint32_t length;
        memcpy(&length, data + pos, 4);
        length = ntohl(length);
        if (size - pos - 4 < length)
            break;
        pos += 4 + length;
    }
    return pos;
}

static void keep(struct tail *tail, const uint8_t *data, size_t size)
{
    if (tail->size + size > tail->room) {
        tail->room = 2 * (tail->size + size);
        tail->bytes = realloc(tail->bytes, tail->room);
    }
    memcpy(tail->bytes + tail->size, data, size);
    tail->size += size;
}

static void send_to_all(const uint8_t *data, size_t size)
{
    for (int fd = 0; fd <= highest; fd++)
        if (is_open[fd])
            send_all(fd, data, size);
}

static void serve(int fd)
{
    struct tail *tail = &tails[fd];
    ssize_t count = recv(fd, shared, READ, 0);
    if (count <= 0) {
        if (count < 0 && errno == EAGAIN)
            return;
        free(tail->bytes);
        memset(tail, 0, sizeof *tail);
        is_open[fd] = 0;
        close(fd);
        return;
    }
    const uint8_t *data = shared;
    size_t size = (size_t)count;
    if (protocol == RAW)
        return send_all(fd, data, size);
    if (protocol == BROADCAST)
        return send_to_all(data, size);
    if (tail->size) {
        keep(tail, data, size);
        data = tail->bytes;
        size = tail->size;
    }
    size_t done = whole(data, size);
    if (done)
        send_all(fd, data, done);
    if (data != shared) {
        tail->size = size - done;
        memmove(tail->bytes, data + done, tail->size);
    } else if (done < size) {
        keep(tail, data + done, size - done);
    }
}

static int listening(const char *path)
{
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    struct sockaddr *address = path ? (struct sockaddr *)&place : (struct sockaddr *)&port;
    socklen_t length = path ? sizeof place : sizeof port;
    int listener = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (path)
        strncpy(place.sun_path, path, sizeof place.sun_path - 1);
    if (bind(listener, address, length) || listen(listener, 4096))
        exit(1);
    getsockname(listener, address, &length);
    if (path)
        printf("%s\n", path);
    else
        printf("%d\n", ntohs(port.sin_port));
    fflush(stdout);
    return listener;
}

int main(int words, char **word)
{
    int one = 1, poller = epoll_create1(0), listener = listening(words > 2 ? word[2] : NULL);
    static struct epoll_event events[EVENTS];
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = listener};

    if (words > 1)
        protocol = !strcmp(word[1], "raw") ? RAW : !strcmp(word[1], "broadcast") ? BROADCAST : FRAMED;
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &interest);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                serve(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 && fd < MAX_FD) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                interest.data.fd = fd;
                is_open[fd] = 1;
                highest = fd > highest ? fd : highest;
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &interest);
            }
        }
    }
}
