/* The limit: what a probe costs when nothing but the probe is done. No schedule, no state, no verdict beyond "answered".
 *
 *     limit KIND PORT TARGETS     KIND: TCP HTTP GRPC UDP TLS HTTPS; each of 127.1.0.0/16 is probed once a second
 *
 * One epoll, ticks of 50 ms, sockets that are dissolved by connect(AF_UNSPEC) and used again, no handshake ACK of
 * its own, TLS without resumption. On SIGTERM it prints how many probes were answered and how many were not.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS = 1024, TICKS = 20, TIMER = -1 };

static const char GET[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
static const char CALL[] = /* preface, SETTINGS, HEADERS with END_HEADERS, DATA with END_STREAM: an empty message */
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\0\0\0\4\0\0\0\0\0"
    "\0\0\x47\1\4\0\0\0\1\x83\x86\x04\x1c" "/grpc.health.v1.Health/Check"
    "\x01\x05" "bench" "\x0f\x10\x10" "application/grpc" "\0\2te\x08trailers"
    "\0\0\5\0\1\0\0\0\1\0\0\0\0\0";

static char *kind;
static struct probe { int fd, done, asked; SSL *ssl; struct sockaddr_in to; } *probes;
static int poll_fd, tls, stream;
static SSL_CTX *context;
static const char *question;
static size_t length;
static unsigned long answered, unanswered;
static volatile sig_atomic_t over;

static void stop(int number) { over = number; }

static void open_socket(int i) {
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.u32 = i}};
    struct linger reset = {1, 0};
    int delay = 1; /* the ACK that ends the handshake */
    probes[i].fd = socket(AF_INET, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
    if (probes[i].fd < 0) err(1, "socket");
    if (stream) {
        setsockopt(probes[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        setsockopt(probes[i].fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &delay, sizeof delay);
    }
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, probes[i].fd, &event);
}

static void finish(struct probe *probe, int good) {
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    *(good ? &answered : &unanswered) += 1;
    probe->done = 1;
    if (probe->ssl) {
        SSL_free(probe->ssl);
        probe->ssl = NULL;
    }
    connect(probe->fd, &nobody, sizeof nobody); /* resets the connection and frees the port */
}

static void start(struct probe *probe) {
    if (!probe->done) finish(probe, 0);
    probe->done = probe->asked = 0;
    if (tls) {
        probe->ssl = SSL_new(context);
        SSL_set_fd(probe->ssl, probe->fd);
        SSL_set_connect_state(probe->ssl);
    }
    connect(probe->fd, (struct sockaddr *)&probe->to, sizeof probe->to);
    if (!stream) send(probe->fd, question, length, MSG_NOSIGNAL);
}

static int patient(SSL *ssl, int result) {
    int why = SSL_get_error(ssl, result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static void go_on_in_tls(struct probe *probe) {
    char bytes[4096];
    int result = SSL_do_handshake(probe->ssl);
    if (result != 1) {
        if (!patient(probe->ssl, result)) finish(probe, 0);
    } else if (!question) {
        finish(probe, 1);
    } else {
        if (!probe->asked) probe->asked = SSL_write(probe->ssl, question, length);
        result = SSL_read(probe->ssl, bytes, sizeof bytes);
        if (result > 0 || !patient(probe->ssl, result)) finish(probe, result > 0);
    }
}

static void go_on(struct probe *probe, unsigned events) {
    char bytes[4096];
    if (probe->done || (events & EPOLLHUP && !(events & EPOLLIN) && stream)) return; /* not connected yet */
    if (tls) {
        go_on_in_tls(probe);
    } else if (!question) {
        finish(probe, !(events & EPOLLERR));
    } else if (events & EPOLLIN) {
        ssize_t got = recv(probe->fd, bytes, sizeof bytes, 0);
        if (got <= 0 || stream == 0 || !strcmp(kind, "HTTP") || memmem(bytes, got, "grpc-status", 11))
            finish(probe, got > 0);
    } else if (stream && !probe->asked) {
        probe->asked = send(probe->fd, question, length, MSG_NOSIGNAL) > 0;
    }
}

int main(int count, char **words) {
    if (count != 4) errx(2, "usage: limit KIND PORT TARGETS");
    kind = words[1];
    int port = atoi(words[2]), targets = atoi(words[3]), next = 0, due = 0;
    struct epoll_event events[EVENTS], tick = {EPOLLIN, {.u32 = TIMER}};
    struct itimerspec every = {{0, 1000000000 / TICKS}, {0, 1000000000 / TICKS}};
    signal(SIGTERM, stop);
    stream = strcmp(kind, "UDP"), tls = !strcmp(kind, "TLS") || !strcmp(kind, "HTTPS");
    if (!strcmp(kind, "HTTP") || !strcmp(kind, "HTTPS")) question = GET, length = sizeof GET - 1;
    if (!strcmp(kind, "GRPC")) question = CALL, length = sizeof CALL - 1;
    if (!strcmp(kind, "UDP")) question = "ping", length = 4;
    if (tls) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    poll_fd = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &tick);
    probes = calloc(targets, sizeof *probes);
    for (int i = 0; i < targets; i++) {
        probes[i].to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        probes[i].to.sin_addr.s_addr = htonl(0x7f010000 + i);
        probes[i].done = 1;
        open_socket(i);
    }
    while (!over) {
        int ready = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            unsigned long ticks;
            if (events[i].data.u32 != (unsigned)TIMER) {
                go_on(&probes[events[i].data.u32], events[i].events);
            } else if (read(timer, &ticks, sizeof ticks) > 0) {
                for (due += targets * ticks; due >= TICKS; due -= TICKS, next = (next + 1) % targets)
                    start(&probes[next]);
            }
        }
    }
    printf("%lu %lu\n", answered, unanswered);
    return 0;
}
