/* The floor for datagrams: a bare epoll loop that sends each one back. usage: udp_echo; it prints its port. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    static char buffer[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    if (bind(sock, (struct sockaddr *)&address, sizeof address) || epoll_ctl(poller, EPOLL_CTL_ADD, sock, &event))
        return perror("udp_echo"), 1;
    getsockname(sock, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        epoll_wait(poller, &event, 1, -1);
        for (int each = 0; each < 32; each++) {
            size = sizeof address;
            ssize_t count = recvfrom(sock, buffer, sizeof buffer, 0, (struct sockaddr *)&address, &size);
            if (count < 0)
                break;
            if (sendto(sock, buffer, (size_t)count, 0, (struct sockaddr *)&address, size) < 0)
                return perror("sendto"), 1;
        }
    }
}
