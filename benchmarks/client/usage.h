// What a process has used of its core.
#pragma once
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { uint64_t cpu, waited; } usage; // ns: ran; could run, but had no core

static uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void fail(const char *why) {
  fprintf(stderr, "loadclient: %s%s%s\n", why, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(2);
}

// All threads of a process that live: /proc/<pid>/schedstat tells of the first one alone.
static usage usage_of(int pid) {
  usage sum = {0, 0};
  char path[300];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = pid > 0 ? opendir(path) : NULL;
  if (!tasks) return sum;
  for (struct dirent *each; (each = readdir(tasks));) {
    if (each->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, each->d_name);
    FILE *file = fopen(path, "r");
    unsigned long long cpu, waited;
    if (file && fscanf(file, "%llu %llu", &cpu, &waited) == 2) sum.cpu += cpu, sum.waited += waited;
    if (file) fclose(file);
  }
  closedir(tasks);
  return sum;
}
