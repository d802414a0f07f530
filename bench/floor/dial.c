/* The load on accept: connections that are made, exchange one framed message each, and end.
 *
 * For each line that it reads, a number, it makes so many connections, AT_ONCE of them at a time. Each sends one
 * message, takes the echo, says that it has ended, and waits until the server has ended, too: so the server has come to
 * rest when the last is gone. Then it prints how many there were and how many nanoseconds it took.
 *
 * usage: dial ROAD ADDRESS AT_ONCE SIZE
 */
#include "peer.h"

static uint8_t *message;
static size_t message_size;

/* Send what is due; over TLS, that is the handshake first. */
static void push(struct peer *peer)
{
    while (peer->to_send) {
        ssize_t sent = send_some(peer, message + message_size - peer->to_send, peer->to_send);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0)
            fail("send");
        peer->to_send -= (size_t)sent;
    }
}

static void begin(struct peer *peer)
{
    dial(peer);
    go_on_without_waiting(peer);
    peer->to_send = message_size;
    push(peer);
}

/* Read while there is something; return whether this connection is over. */
static int go_on(struct peer *peer)
{
    push(peer);
    for (;;) {
        ssize_t count = receive_some(peer);
        if (count < 0 && errno == EAGAIN)
            return 0;
        if (count == 0 && peer->tls && peer->came == message_size) { /* TLS is over; the socket follows */
            forget_tls(peer);
            continue;
        }
        if (count <= 0 && peer->came != message_size)
            fail("recv");
        if (count <= 0) { /* an end, or a reset */
            forget_tls(peer);
            close(peer->fd);
            return 1;
        }
        peer->came += (size_t)count;
        if (peer->came == message_size)
            end_sending(peer);
    }
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
    if (words != 5) {
        fprintf(stderr, "usage: dial ROAD ADDRESS AT_ONCE SIZE\n");
        return 2;
    }
    long at_once = atol(word[3]), count;
    uint32_t size = (uint32_t)atol(word[4]), header = htonl(size);

    message_size = 4 + (size_t)size;
    message = calloc(1, message_size);
    memcpy(message, &header, 4);
    go_by(word[1], word[2]);
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
