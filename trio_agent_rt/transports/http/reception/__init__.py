"""Who is received at a connection: the application, or a short cut past it.

`shortcut` is what a short cut has to be, `visit` the life of a connection that begins at one,
`receiver` makes the visits of a server. Only `receiver` and `visit` import Hypercorn.
"""

from .shortcut import Feed, Shortcut, Told, Wake

__all__ = ["Feed", "Shortcut", "Told", "Wake"]
