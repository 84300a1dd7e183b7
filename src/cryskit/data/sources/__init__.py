"""Data sets by name: those that come with the package, and whatever a scheme leads to. `cryskit.read` takes all of these.

sources() -> Mapping[str, Source]                          the cards of the bundled data sets, by name
named(src, limit) -> Iterator[Crystal | Failure] | None    a bundled name or scheme:what-it-takes; None if it is a path
remote(src) -> Remote                                      a data set on another computer, of which nothing is fetched yet
require_source(src)                                        an error unless it is a name or something is there
open_source(name, limit) -> Iterator[Crystal | Failure]    a bundled name, checksum verified
"""

from cryskit.data.sources.bundled import Source, open_source, sources
from cryskit.data.sources.resolve import named, remote, require_source

__all__ = ["Source", "named", "open_source", "remote", "require_source", "sources"]
