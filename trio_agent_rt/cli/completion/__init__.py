"""What a shell offers when Tab is pressed, made out of the parser itself."""

from .command import add_completion
from .words import RecordingParser

__all__ = ["RecordingParser", "add_completion"]
