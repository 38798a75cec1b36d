"""What a plan's texts may say of the values around them: references and conditions."""

from .conditions import Condition, parse_condition
from .references import Reference, as_text, references_in, resolve
from .scope import Scope

__all__ = [
    "Condition",
    "Reference",
    "Scope",
    "as_text",
    "parse_condition",
    "references_in",
    "resolve",
]
