"""Models as files of other programs: the network as `torch.export` (pt2) or ONNX, and a loader that builds the graphs for it."""

from cryskit.exported.model import Exported, load
from cryskit.exported.write import export

__all__ = ["Exported", "export", "load"]
