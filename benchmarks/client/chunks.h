// The body of a chunked HTTP response, as it comes in.
#pragma once
#include <stdint.h>
#include <string.h>

typedef struct {
  enum { IN_SIZE, IN_EXTENSION, IN_DATA, AFTER_DATA, AFTER_ALL } state;
  uint64_t left;
} chunks;

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
  return -1;
}

static int dechunk(chunks *c, const char *in, int length, char *out) { // gives its length
  int at = 0, written = 0;
  while (at < length) {
    switch (c->state) {
    case IN_SIZE:
    case IN_EXTENSION: {
      char ch = in[at++];
      if (ch == '\n') c->state = c->left ? IN_DATA : AFTER_ALL;
      else if (ch == ';') c->state = IN_EXTENSION;
      else if (c->state == IN_SIZE && hex_digit(ch) >= 0) c->left = c->left * 16 + hex_digit(ch);
      break;
    }
    case IN_DATA: {
      uint64_t part = c->left < (uint64_t)(length - at) ? c->left : (uint64_t)(length - at);
      memcpy(out + written, in + at, part);
      written += part, at += part, c->left -= part;
      if (!c->left) c->state = AFTER_DATA;
      break;
    }
    case AFTER_DATA:
      if (in[at++] == '\n') c->state = IN_SIZE;
      break;
    case AFTER_ALL:
      return written;
    }
  }
  return written;
}
