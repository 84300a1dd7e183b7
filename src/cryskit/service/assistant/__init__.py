"""Tools for assistants (Model Context Protocol) on the core of the service: the same models, limits and errors.

    predict, explain, describe     crystals in, what is known of them out, as over HTTP
    search, nearest                crystals of a bundled or given set that fit words, or are like a given one
    screen                         a short list of the crystals given, by a condition and an order
    model_card                     what a model is, what it predicts in which units, what a call may hold

A tool takes structures as dictionaries or texts. It takes no path, no address and no model file, whichever way it is called.
"""

from __future__ import annotations

from cryskit.errors import PlanError


def require_installed() -> None:
    """Refuse tools for assistants where the protocol's library is missing.

    Raises:
        PlanError: It is not installed.
    """
    try:
        import mcp  # noqa: F401, PLC0415
    except ImportError as error:
        raise PlanError(
            "Tools for assistants need mcp, which is not installed", "pip install 'cryskit[mcp]'"
        ) from error
