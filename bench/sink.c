/* The targets: one port that takes TCP connections, answers HTTP and gRPC health checks, and echoes UDP.
 *
 *     sink PORT     (0: any that is free; the port is printed)
 *
 * It knows what it was sent by the first bytes, so that every address of 127.0.0.0/8 is a target of every kind.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, MOST = 1 << 20, FRAME_HEAD = 9, PREFACE = 24, HEADERS = 1, SETTINGS = 4 };

static const char HTTP[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
static const unsigned char OUR_SETTINGS[] = {0, 0, 0, SETTINGS, 0, 0, 0, 0, 0};
static const unsigned char ACK[] = {0, 0, 0, SETTINGS, 1, 0, 0, 0, 0};
/* :status 200, content-type application/grpc; a message that says SERVING; grpc-status 0 */
static const unsigned char SERVING[] =
    "\0\0\x14\1\4\0\0\0\1\x88\x0f\x10\x10" "application/grpc"
    "\0\0\7\0\0\0\0\0\1\0\0\0\0\2\x08\1"
    "\0\0\x0f\1\5\0\0\0\1\0\x0b" "grpc-status" "\1" "0";

static struct peer { unsigned seen; char grpc, asked; unsigned char bytes[512]; } *peers[MOST];

/* Answer the frames that have come whole; keep what has not. */
static void answer_grpc(int fd, struct peer *peer) {
    unsigned at = 0;
    if (!peer->grpc) {
        if (peer->seen < PREFACE) return;
        peer->grpc = 1, at = PREFACE;
        send(fd, OUR_SETTINGS, sizeof OUR_SETTINGS, MSG_NOSIGNAL);
    }
    while (peer->seen - at >= FRAME_HEAD) {
        const unsigned char *frame = peer->bytes + at;
        unsigned size = FRAME_HEAD + (frame[0] << 16 | frame[1] << 8 | frame[2]);
        if (peer->seen - at < size) break;
        if (frame[3] == SETTINGS && !frame[4]) send(fd, ACK, sizeof ACK, MSG_NOSIGNAL);
        if (frame[3] == HEADERS) send(fd, SERVING, sizeof SERVING - 1, MSG_NOSIGNAL);
        at += size;
    }
    memmove(peer->bytes, peer->bytes + at, peer->seen -= at);
}

static void hang_up(int fd) {
    free(peers[fd]);
    peers[fd] = NULL;
    close(fd);
}

static void take(int fd) {
    struct peer *peer = peers[fd];
    ssize_t got = recv(fd, peer->bytes + peer->seen, sizeof peer->bytes - peer->seen, MSG_DONTWAIT);
    if (got <= 0) {
        hang_up(fd);
        return;
    }
    peer->seen += got;
    if (peer->grpc || !memcmp(peer->bytes, "PRI", 3)) {
        answer_grpc(fd, peer);
    } else if (memmem(peer->bytes, peer->seen, "\r\n\r\n", 4)) {
        peer->seen = 0;
        send(fd, HTTP, sizeof HTTP - 1, MSG_NOSIGNAL);
    }
    if (peer->seen == sizeof peer->bytes) hang_up(fd);
}

static void echo(int fd) {
    char bytes[2048];
    struct in_pktinfo *info = NULL;
    char control[256];
    struct sockaddr_in from;
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {&from, sizeof from, &part, 1, control, sizeof control, 0};
    ssize_t got;
    while ((got = recvmsg(fd, &message, MSG_DONTWAIT)) >= 0) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
            if (c->cmsg_type == IP_PKTINFO) info = (struct in_pktinfo *)CMSG_DATA(c);
        if (info) info->ipi_spec_dst = info->ipi_addr, info->ipi_ifindex = 0; /* answer as who was asked */
        part.iov_len = got;
        sendmsg(fd, &message, MSG_DONTWAIT);
        part.iov_len = sizeof bytes, message.msg_namelen = sizeof from, message.msg_controllen = sizeof control;
    }
}

static int open_port(int kind, int port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, kind | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&here, sizeof here)) err(1, "bind to %d", port);
    if (kind == SOCK_STREAM && listen(fd, 65535)) err(1, "listen");
    return fd;
}

int main(int count, char **words) {
    int stream = open_port(SOCK_STREAM, count > 1 ? atoi(words[1]) : 0);
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    getsockname(stream, (struct sockaddr *)&here, &size);
    int datagram = open_port(SOCK_DGRAM, ntohs(here.sin_port)), poll = epoll_create1(0);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    struct epoll_event event = {EPOLLIN, {.fd = stream}}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, stream, &event);
    event.data.fd = datagram;
    epoll_ctl(poll, EPOLL_CTL_ADD, datagram, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == datagram) {
                echo(fd);
            } else if (fd != stream) {
                take(fd);
            } else {
                while ((fd = accept4(stream, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (fd >= MOST || !(peers[fd] = calloc(1, sizeof *peers[fd]))) {
                        close(fd);
                        continue;
                    }
                    event.data.fd = fd;
                    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
                }
            }
        }
    }
}
