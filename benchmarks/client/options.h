// What the client is asked to do.
#pragma once
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usage.h"

static struct {
  int websocket, socketio, port, clients, stalled, inflight, latency, idle, credit_fd, server_pid;
  long ahead, batch;
  double rate, duration, warm, settle, patience, limit;
  const char *path;
  char headers[4096];
} want = {.websocket = 1, .clients = 1, .inflight = 64, .credit_fd = -1, .batch = 1, .duration = 1,
          .patience = 10, .limit = 60, .path = "/"};

static void read_options(int count, char **options) {
  for (int i = 1; i < count; i++) {
    char *name = options[i];
    if (!strcmp(name, "--socketio")) want.socketio = 1;
    else if (!strcmp(name, "--latency")) want.latency = 1;
    else if (!strcmp(name, "--idle")) want.idle = 1;
    else if (i + 1 >= count) errno = 0, fail("an option lacks its value, or is unknown");
    else {
      char *value = options[++i];
      if (!strcmp(name, "--mode")) want.websocket = !strcmp(value, "ws");
      else if (!strcmp(name, "--port")) want.port = atoi(value);
      else if (!strcmp(name, "--path")) want.path = value;
      else if (!strcmp(name, "--clients")) want.clients = atoi(value);
      else if (!strcmp(name, "--stalled")) want.stalled = atoi(value);
      else if (!strcmp(name, "--inflight")) want.inflight = atoi(value);
      else if (!strcmp(name, "--ahead")) want.ahead = atol(value);
      else if (!strcmp(name, "--rate")) want.rate = atof(value);
      else if (!strcmp(name, "--batch")) want.batch = atol(value);
      else if (!strcmp(name, "--duration")) want.duration = atof(value);
      else if (!strcmp(name, "--warm")) want.warm = atof(value);
      else if (!strcmp(name, "--patience")) want.patience = atof(value);
      else if (!strcmp(name, "--settle")) want.settle = atof(value);
      else if (!strcmp(name, "--limit")) want.limit = atof(value);
      else if (!strcmp(name, "--credit-fd")) want.credit_fd = atoi(value);
      else if (!strcmp(name, "--server-pid")) want.server_pid = atoi(value);
      else if (!strcmp(name, "--header") && strlen(want.headers) + strlen(value) + 3 < sizeof want.headers)
        strcat(strcat(want.headers, value), "\r\n");
      else errno = 0, fail("unknown option");
    }
  }
}
