"""Threads of torch that leave the cores to other processes while they wait."""

import os


def sleep_while_waiting() -> None:
    """Let the threads of torch sleep while they wait for one another, instead of turning in a loop; nothing once torch is loaded.

    A screening computes in one process and reads in others: where every core has work to do, a thread that waits in a loop takes
    the time of one that reads. Who has set `OMP_WAIT_POLICY` has the last word.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
