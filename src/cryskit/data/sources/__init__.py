"""Data sets by name: those that come with the package, files and folders, and whatever a scheme leads to.

sources() -> Mapping[str, Source]                          the cards of the bundled data sets, by name
resolve(src, limit) -> Iterator[Crystal | Failure]         a bundled name, a file or folder, or scheme:what-it-takes
open_source(name, limit) -> Iterator[Crystal | Failure]    a bundled name, checksum verified
"""

from cryskit.data.sources.bundled import Source, open_source, sources
from cryskit.data.sources.resolve import resolve

__all__ = ["Source", "open_source", "resolve", "sources"]
