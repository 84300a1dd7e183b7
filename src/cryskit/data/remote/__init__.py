"""Data sets of other computers: which may be asked, how their answers are fetched, and what a fetched file says of itself.

fetch(remote, out) -> Fetched         everything that a remote data set holds, into one Parquet file with a card
stream(remote, limit) -> Iterator     its rows as they come, nothing kept

Nothing here connects unless a data set of another computer is named. A remote data set is a sequence of pages (`pages.Remote`), each
an answer of a server, whose addresses are all checked (`addresses`) and whose sizes and times have limits (`connection`).
"""

from cryskit.data.remote.fetch import Fetched, fetch
from cryskit.data.remote.stream import stream

__all__ = ["Fetched", "fetch", "stream"]
