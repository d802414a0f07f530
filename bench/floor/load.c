/* The load: connections that exchange messages with a server under test. Not the bottleneck.
 *
 * It connects, says "ready", and then makes a window for each line that it reads:
 *
 *   echo MS         IN_FLIGHT messages are kept under way on each connection for so many milliseconds: every whole one
 *                   that comes back is answered by a new one.
 *   broadcast MS    the first connection sends a message, which comes to all connections; then the next one.
 *   pace MS RATE    messages are sent at a fixed rate, in turns over the connections, whether answers come or not.
 *                   How long one took counts from the moment it was due.
 *
 * In the end it takes the last answers, so that nothing is left under way and the server has come to rest, and prints
 * how many messages came and how many nanoseconds it took; for `pace` also the nanoseconds within which 50%, 99% and
 * 99.9% of them came, and the most.
 *
 * HEADER is the size of the length in front of each message, 4, or 0 for bytes without frames.
 *
 * usage: load ROAD ADDRESS HEADER CONNECTIONS IN_FLIGHT SIZE
 */
#include "peer.h"

static uint8_t *batch; /* IN_FLIGHT messages */
static size_t batch_size, message_size;
static struct peer *peers;
static long connections, under_way, messages;

static int64_t begun, interval; /* of a pace */
static int64_t *waits;

/* Send what is due. All messages are the same bytes, so any whole number of them is the end of the batch. */
static void push(struct peer *peer)
{
    while (peer->to_send) {
        size_t part = (peer->to_send - 1) % message_size + 1; /* of the message that has been begun */
        size_t size = peer->to_send < batch_size ? peer->to_send : batch_size - message_size + part;
        ssize_t sent = send_some(peer, batch + batch_size - size, size);
        if (sent < 0 && errno == EAGAIN) {
            want(peer, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent <= 0)
            fail("send");
        peer->to_send -= (size_t)sent;
    }
}

/* Read what is there: a socket once, a TLS session until it has no record left. Return how many messages are whole. */
static long pull(struct peer *peer)
{
    long whole = 0;
    do {
        ssize_t count = receive_some(peer);
        if (count < 0 && errno == EAGAIN)
            break;
        if (count <= 0)
            fail("recv");
        peer->came += (size_t)count;
        whole += (long)(peer->came / message_size);
        peer->came %= message_size;
    } while (peer->tls);
    return whole;
}

/* Note how long messages took; the k-th on a connection was due k rounds behind the first. */
static void note(struct peer *peer, long whole)
{
    int64_t time = now();
    for (long last = messages + whole; messages < last; messages++, peer->taken++)
        waits[messages] = time - (begun + (peer->taken * connections + peer->place) * interval);
}

typedef void taking(struct peer *, long whole, int going_on);

static void echo(struct peer *peer, long whole, int going_on)
{
    messages += whole;
    if (going_on)
        peer->to_send += (size_t)whole * message_size;
    else
        under_way -= whole;
}

static void broadcast(struct peer *peer, long whole, int going_on)
{
    (void)peer;
    messages += whole;
    under_way -= whole;
    if (!under_way && going_on) {
        under_way = connections;
        peers[0].to_send = message_size;
        push(&peers[0]);
    }
}

static void pace(struct peer *peer, long whole, int going_on)
{
    (void)going_on;
    note(peer, whole);
    under_way -= whole;
}

/* Do what the sockets are ready for. */
static void step(int patience, int going_on, taking *take)
{
    static struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, patience);
    if (ready == 0 && patience) {
        fprintf(stderr, "load: %ld answers did not come\n", under_way);
        exit(1);
    }
    for (int i = 0; i < ready; i++) {
        struct peer *peer = events[i].data.ptr;
        size_t waited = peer->to_send;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            take(peer, pull(peer), going_on);
        if (peer->to_send)
            push(peer);
        if (waited && !peer->to_send)
            want(peer, EPOLL_CTL_MOD, EPOLLIN);
    }
}

/* Keep busy until the deadline, then take what is still under way. */
static void closed_loop(int64_t deadline, long senders, size_t size, taking *take)
{
    for (long i = 0; i < senders; i++) {
        peers[i].to_send = size;
        push(&peers[i]);
    }
    while (under_way)
        step(PATIENCE_MS, now() < deadline, take);
}

/* Send each message when it is due, and look for answers all the time: the load never sleeps. */
static void open_loop(int64_t nanoseconds, long rate)
{
    interval = 1000000000 / rate;
    long count = (long)(nanoseconds / interval);
    waits = realloc(waits, ((size_t)count + 1) * sizeof *waits);
    for (long i = 0; i < connections; i++)
        peers[i].taken = 0;
    begun = now();
    int64_t end = begun + nanoseconds + (int64_t)PATIENCE_MS * 1000000;
    for (long sent = 0; sent < count || under_way;) {
        int64_t time = now();
        for (; sent < count && begun + sent * interval <= time; sent++, under_way++) {
            struct peer *peer = &peers[sent % connections];
            peer->to_send += message_size;
            push(peer);
        }
        step(0, 1, pace);
        if (time > end) {
            fprintf(stderr, "load: %ld answers did not come\n", under_way);
            exit(1);
        }
    }
}

static int order(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static void print_waits(void)
{
    qsort(waits, (size_t)messages, sizeof *waits, order);
    long last = messages - 1;
    printf(" %ld %ld %ld %ld", waits[last / 2], waits[last * 99 / 100], waits[last * 999 / 1000], waits[last]);
}

static void window(const char *kind, long milliseconds, long rate)
{
    int64_t begin = now(), nanoseconds = (int64_t)milliseconds * 1000000;
    long in_flight = (long)(batch_size / message_size);
    messages = under_way = 0;
    if (!strcmp(kind, "echo")) {
        under_way = connections * in_flight;
        closed_loop(begin + nanoseconds, connections, batch_size, echo);
    } else if (!strcmp(kind, "broadcast")) {
        under_way = connections;
        closed_loop(begin + nanoseconds, 1, message_size, broadcast);
    } else {
        open_loop(nanoseconds, rate);
    }
    printf("%ld %ld", messages, (long)(now() - begin));
    if (!strcmp(kind, "pace"))
        print_waits();
    printf("\n");
    fflush(stdout);
}

static void connect_all(void)
{
    peers = calloc((size_t)connections, sizeof *peers);
    for (long i = 0; i < connections; i++) {
        peers[i].place = i;
        dial(&peers[i]);
        if (peers[i].tls && SSL_do_handshake(peers[i].tls) != 1)
            fail("handshake");
        go_on_without_waiting(&peers[i]);
    }
}

int main(int count, char **words)
{
    char kind[16], line[128];
    if (count != 7) {
        fprintf(stderr, "usage: load ROAD ADDRESS HEADER CONNECTIONS IN_FLIGHT SIZE\n");
        return 2;
    }
    size_t header_size = (size_t)atol(words[3]), in_flight = (size_t)atol(words[5]), size = (size_t)atol(words[6]);
    uint32_t header = htonl((uint32_t)size);

    connections = atol(words[4]);
    message_size = header_size + size;
    batch_size = in_flight * message_size;
    batch = calloc(1, batch_size);
    for (size_t i = 0; i < in_flight && header_size; i++)
        memcpy(batch + i * message_size, &header, header_size);
    go_by(words[1], words[2]);
    connect_all();
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        long milliseconds = 0, rate = 1;
        if (sscanf(line, "%15s %ld %ld", kind, &milliseconds, &rate) < 2)
            return 2;
        window(kind, milliseconds, rate);
    }
    return 0;
}
