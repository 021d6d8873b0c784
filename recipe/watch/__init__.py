"""The live view: a page on this machine that shows a run while it goes on.

One idea: training puts plain numbers on a board, and whoever looks reads the board; nothing goes from a browser to the
run, so a run is the same with a view as without. Read `state.py` for what is shown, then `board.py`, `view.py` and
`server.py`; `page.html` is all that a browser gets, and `folder.py` looks at a run from another terminal.
"""

from .folder import follow
from .server import Server, port_of, serving
from .view import LiveView

__all__ = ["LiveView", "Server", "follow", "port_of", "serving"]
