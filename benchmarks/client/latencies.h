// How long events took from their publishing to the client.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "usage.h"

static uint32_t *latencies; // ns
static long latency_count, latency_room;

static void note_latency(uint64_t published, uint64_t now) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? latency_room * 2 : 1 << 18;
    latencies = realloc(latencies, latency_room * sizeof *latencies);
    if (!latencies) fail("no memory for latencies");
  }
  uint64_t took = now > published ? now - published : 0;
  latencies[latency_count++] = took > UINT32_MAX ? UINT32_MAX : took;
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double latency_us(double share) { return latencies[(long)((latency_count - 1) * share)] / 1e3; }

static void tell_latencies(void) { // as fields of a JSON object
  if (!latency_count) return;
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f", latency_us(.5),
         latency_us(.99), latency_us(.999), latency_us(1));
}
