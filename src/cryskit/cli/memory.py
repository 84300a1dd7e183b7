"""Let the allocator keep the memory it has, so that a loop over batches does not fault its pages in again and again."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # the names of mallopt(3) without their M_
_PAD = 256 * 2**20


def keep_pages() -> bool:
    """Tell glibc never to give memory back to the system, and to ask for it 256 MiB at a time.

    Each batch needs temporary arrays of some megabytes. By default glibc takes memory for them anew and gives it back, and
    the system zeroes every page at its first use: on the CPU that is a good part of the time of cheap operations. The
    memory in use stays at its peak instead.

    Returns:
        Whether it was done; where the C library is not glibc nothing happens.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not (hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt")):
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: _PAD}
    answers = [library.mallopt(name, value) for name, value in settings.items()]
    return all(answer == 1 for answer in answers)
