"""The commands, but for the demo."""

from .run import add_run
from .serve import add_serve
from .submit import add_submit
from .watch import add_watch

__all__ = ["add_run", "add_serve", "add_submit", "add_watch"]
