"""Finds what code has left behind: what still is there, and what the garbage collector got."""

from .garbage import unseen_heap, watch_garbage
from .present import LeakFound, assert_no_leaks
from .system import has_used_trio_threads

__all__ = ["LeakFound", "assert_no_leaks", "has_used_trio_threads", "unseen_heap", "watch_garbage"]
