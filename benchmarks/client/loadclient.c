// A bounded load client for loopback: N WebSocket or SSE connections, one thread, epoll.
//
//   connect ──▶ CONNECTED ──▶ settle ──▶ warm ──▶ nothing is on the way ──▶ window ──▶
//                   │                              nothing is on the way ──▶ JSON
//                   └─ --idle: held until stdin is closed or the time is up ──▶ JSON
//
// Every connection must be given every event, in order: events carry "step-%08d", and
// "t":<CLOCK_MONOTONIC ns> of when they were published. Other messages are passed over.
//
// --credit-fd is the write end of the server's standard input: how many events it may have
// published in all, a number a line. Where it is paced (--rate, --batch) it is given those of
// the warm-up, and then those of the window. Otherwise it is never more than --ahead events
// ahead of the slowest connection, and has none to publish at the edges of the window.
//
// So the server's CPU time (--server-pid), which is read at these edges, belongs to the
// deliveries that are counted and to nothing else, however it queues and joins.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chunks.h"
#include "latencies.h"
#include "options.h"
#include "usage.h"

#define READ_BYTES (256 * 1024)
#define CARRY_BYTES (4 * 1024 * 1024)
#define MARKER "step-"
#define STAMP "\"t\":"

typedef struct {
  int fd, open, dead, stalled;
  int chunked, waits_for_sio;
  chunks body;
  long next; // the number of the event that must come next
  char *carry;
  int carry_length, carry_room;
} connection;

typedef struct {
  uint64_t at;
  long total, bytes, reads;
  usage server, client;
} snapshot;

static connection *all;
static char *buffer, *raw;
static int poller, started, opened, dead, in_window, everybody;
static long total, bytes, reads, misordered, malformed;
static uint64_t now;

static snapshot take_snapshot(void) {
  usage server = usage_of(want.server_pid), client = usage_of(getpid());
  return (snapshot){clock_ns(), total, bytes, reads, server, client};
}

// --- messages

static long number_at(const char *p, const char *end) {
  long value = 0;
  while (p < end && *p == ' ') p++;
  while (p < end && *p >= '0' && *p <= '9') value = value * 10 + (*p++ - '0');
  return value;
}

// Where `what` is: events look alike, so mostly where it was in the one before.
static const char *find(const char *message, int length, const char *what, int size, int *last) {
  if (*last + size <= length && !memcmp(message + *last, what, size)) return message + *last;
  const char *found = memmem(message, length, what, size);
  if (found) *last = found - message;
  return found;
}

static int take_message(connection *c, const char *message, int length) {
  static int marker_at, stamp_at;
  const char *end = message + length;
  const char *marker = find(message, length, MARKER, sizeof MARKER - 1, &marker_at);
  if (!marker) return 0;
  long number = number_at(marker + sizeof MARKER - 1, end);
  if (number != c->next) misordered++;
  c->next = number + 1;
  if (end[-1] != (want.socketio ? ']' : '}')) malformed++;
  if (want.latency && in_window) {
    const char *stamp = find(message, length, STAMP, sizeof STAMP - 1, &stamp_at);
    if (stamp) note_latency(number_at(stamp + sizeof STAMP - 1, end), now);
    else malformed++;
  }
  total++;
  return 1;
}

// --- WebSocket

static void send_frame(connection *c, int opcode, const char *payload, int length) {
  if (length > 125) return;
  char frame[140] = {(char)(0x80 | opcode), (char)(0x80 | length)}; // the mask is 0
  memcpy(frame + 6, payload, length);
  if (write(c->fd, frame, 6 + length) < 0 && errno != EAGAIN) c->dead = 1;
}

static void mark_open(connection *c) {
  if (!c->open) c->open = 1, opened++;
}

static void mark_dead(connection *c) {
  if (!c->dead) c->dead = 1, dead++;
}

// Engine.IO 4: 0 open, 2 ping, 3 pong, 4 message; and in a message Socket.IO's 0 connect, 2 event.
static void take_socketio(connection *c, const char *p, int length) {
  if (length >= 1 && p[0] == '0') send_frame(c, 1, "40", 2);
  else if (length >= 1 && p[0] == '2') send_frame(c, 1, "3", 1);
  else if (length >= 2 && p[0] == '4' && p[1] == '0') mark_open(c);
  else if (length >= 2 && p[0] == '4' && p[1] == '2') take_message(c, p, length);
}

static int parse_websocket(connection *c, char *p, int length) { // gives what it has consumed
  int at = 0;
  while (length - at >= 2) {
    unsigned char *frame = (unsigned char *)p + at;
    int header = 2, opcode = frame[0] & 15;
    uint64_t size = frame[1] & 0x7f;
    if (size == 126) {
      if (length - at < 4) break;
      size = frame[2] << 8 | frame[3], header = 4;
    } else if (size == 127) {
      if (length - at < 10) break;
      size = 0, header = 10;
      for (int i = 2; i < 10; i++) size = size << 8 | frame[i];
    }
    if ((uint64_t)(length - at - header) < size) break;
    char *payload = p + at + header;
    if (opcode == 9) send_frame(c, 10, payload, size);
    else if (opcode == 8) mark_dead(c);
    else if (opcode <= 2) {
      if (!(frame[0] & 0x80) || !opcode) fail("fragmented messages are not expected");
      if (want.socketio) take_socketio(c, payload, size);
      else take_message(c, payload, size);
    }
    at += header + size;
  }
  return at;
}

// --- SSE

static int parse_sse(connection *c, char *p, int length) { // whole lines; gives what it has consumed
  int at = 0;
  for (;;) {
    char *line = p + at, *newline = memchr(line, '\n', length - at);
    if (!newline) return at;
    int size = newline - line;
    at += size + 1;
    if (size && line[size - 1] == '\r') size--;
    if (size >= 5 && !memcmp(line, "data:", 5)) take_message(c, line, size);
  }
}

// --- connections

static void save_carry(connection *c, const char *p, int length) {
  if (length > CARRY_BYTES) fail("a message is too big");
  if (length > c->carry_room) {
    c->carry_room = length < 1024 ? 1024 : length * 2;
    c->carry = realloc(c->carry, c->carry_room);
    if (!c->carry) fail("no memory");
  }
  memmove(c->carry, p, length);
  c->carry_length = length;
}

// Past the head of the response; NULL while it is not all there.
static char *take_head(connection *c, char *p, int length) {
  char *end = memmem(p, length, "\r\n\r\n", 4);
  if (!end) return NULL;
  *end = 0;
  if (memcmp(p, want.websocket ? "HTTP/1.1 101" : "HTTP/1.1 200", 12)) {
    fprintf(stderr, "loadclient: refused: %.*s\n", (int)strcspn(p, "\r"), p);
    exit(3);
  }
  c->chunked = !want.websocket && strcasestr(p, "transfer-encoding: chunked") != NULL;
  if (want.socketio) c->waits_for_sio = 1;
  else mark_open(c);
  return end + 4;
}

static void on_readable(connection *c) {
  int head_done = c->open || c->waits_for_sio;
  int carried = c->carry_length, unchunk = head_done && c->chunked;
  if (carried) memcpy(buffer, c->carry, carried);
  int got = recv(c->fd, unchunk ? raw : buffer + carried, READ_BYTES, 0);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    mark_dead(c);
    epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
    return;
  }
  reads++, bytes += got, now = clock_ns();
  c->carry_length = 0;
  char *p = buffer;
  int length = carried + (unchunk ? dechunk(&c->body, raw, got, buffer + carried) : got);
  if (!head_done) {
    p = take_head(c, buffer, length);
    if (!p) {
      save_carry(c, buffer, length);
      return;
    }
    length -= p - buffer;
    if (c->chunked) {
      memcpy(raw, p, length);
      length = dechunk(&c->body, raw, length, buffer);
      p = buffer;
    }
    if (c->stalled) { // it will never read again
      epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
      return;
    }
  }
  if (c->body.state == AFTER_ALL) mark_dead(c);
  int used = want.websocket ? parse_websocket(c, p, length) : parse_sse(c, p, length);
  if (used < length) save_carry(c, p + used, length - used);
}

static void start_connection(int index) {
  connection *c = &all[index];
  c->stalled = index >= want.clients;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(want.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0) fail("socket");
  int one = 1, little = 2048, small = 536;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (c->stalled) { // so that the server feels it soon: Linux sizes its buffer by the segments
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &small, sizeof small);
  }
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
  char request[8192];
  const char *upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n",
                        want.path, want.port,
                        want.websocket ? upgrade : "Accept: text/event-stream\r\n", want.headers);
  if (write(c->fd, request, length) != length) fail("write");
  started++;
}

static void turn(int timeout) {
  static struct epoll_event events[512];
  int count = epoll_wait(poller, events, 512, timeout);
  for (int i = 0; i < count; i++) on_readable(&all[events[i].data.u32]);
  now = clock_ns();
}

static long credit; // events that the server may have published

static void give_credit(long events) {
  if (events <= credit) return;
  char line[32];
  int length = snprintf(line, sizeof line, "%ld\n", events);
  if (want.credit_fd >= 0 && write(want.credit_fd, line, length) != length) return;
  credit = events;
}

static void look_at_progress(long *slowest, long *fastest) {
  *slowest = INT64_MAX, *fastest = 0;
  for (int i = 0; i < want.clients; i++) {
    if (all[i].next < *slowest) *slowest = all[i].next;
    if (all[i].next > *fastest) *fastest = all[i].next;
  }
}

static void extend_credit(void) {
  static uint64_t looked_at;
  if (now - looked_at < 1000000) return;
  long slowest, fastest;
  look_at_progress(&slowest, &fastest);
  give_credit(slowest + want.ahead);
  looked_at = now;
}

// Let events come for so long, and then until none is on the way; 0 if that takes far too long.
static int let_events_come(double seconds, uint64_t give_up) {
  uint64_t begin = now, length = seconds * 1e9, enough = begin + 5 * length + (uint64_t)(want.patience * 1e9);
  if (want.rate) {
    long ticks = seconds * want.rate + .5;
    give_credit(credit + (ticks ? ticks : 1) * want.batch);
  } else if (!credit) give_credit(want.ahead);
  while (now < begin + length || total < credit * want.clients) {
    turn(2);
    if (!want.rate && now < begin + length) extend_credit();
    if (dead || now > give_up || now > enough) return 0;
  }
  return 1;
}

// --- what it tells

static double seconds(uint64_t from, uint64_t to) { return (to - from) / 1e9; }

static void tell(snapshot begin, snapshot connected, snapshot from, snapshot to, const char *end) {
  long slowest, fastest;
  look_at_progress(&slowest, &fastest);
  printf("{\"end\":\"%s\",\"clients\":%d,\"stalled\":%d,\"opened\":%d,\"dead\":%d", end, want.clients,
         want.stalled, opened, dead);
  printf(",\"connect_s\":%.6f,\"connect_server_cpu_s\":%.6f,\"connect_client_cpu_s\":%.6f",
         seconds(begin.at, connected.at), seconds(begin.server.cpu, connected.server.cpu),
         seconds(begin.client.cpu, connected.client.cpu));
  printf(",\"window_s\":%.6f,\"deliveries\":%ld,\"bytes\":%ld,\"reads\":%ld", seconds(from.at, to.at),
         to.total - from.total, to.bytes - from.bytes, to.reads - from.reads);
  printf(",\"server_cpu_s\":%.6f,\"server_waited_s\":%.6f,\"client_cpu_s\":%.6f,\"client_waited_s\":%.6f",
         seconds(from.server.cpu, to.server.cpu), seconds(from.server.waited, to.server.waited),
         seconds(from.client.cpu, to.client.cpu), seconds(from.client.waited, to.client.waited));
  printf(",\"misordered\":%ld,\"malformed\":%ld,\"slowest\":%ld,\"fastest\":%ld", misordered, malformed,
         slowest, fastest);
  tell_latencies();
  printf("}\n");
  exit(0);
}

int main(int count, char **options) {
  read_options(count, options);
  signal(SIGPIPE, SIG_IGN);
  everybody = want.clients + want.stalled;
  all = calloc(everybody, sizeof *all);
  buffer = malloc(CARRY_BYTES + READ_BYTES), raw = malloc(READ_BYTES + CARRY_BYTES);
  poller = epoll_create1(0);
  if (!all || !buffer || !raw || poller < 0) fail("no memory");

  snapshot begin = take_snapshot();
  uint64_t give_up = begin.at + (uint64_t)(want.limit * 1e9);
  while (opened < everybody) {
    while (started < everybody && started - opened < want.inflight) start_connection(started);
    turn(20);
    if (now > give_up) tell(begin, begin, begin, begin, "not all could connect");
  }
  snapshot connected = take_snapshot(), from = connected;
  fprintf(stderr, "CONNECTED\n");
  if (want.idle) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    while (now < give_up && !poll(&input, 1, 0)) turn(20);
    tell(begin, connected, connected, take_snapshot(), "idle");
  }
  uint64_t settled = connected.at + (uint64_t)(want.settle * 1e9);
  do turn(5);
  while (now < settled);
  if (!let_events_come(want.warm, give_up))
    tell(begin, connected, from, take_snapshot(), dead ? "disconnected" : total ? "too slow" : "no events");
  from = take_snapshot(), in_window = 1;
  int whole = let_events_come(want.duration, give_up);
  tell(begin, connected, from, take_snapshot(), dead ? "disconnected" : whole ? "done" : "behind");
}
