"""A web page that submits tasks, shows what they do, and cancels them."""

from .panel import Panel

__all__ = ["Panel"]
