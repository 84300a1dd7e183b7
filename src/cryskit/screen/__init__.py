"""Many crystals through models: any number of rows, in constant memory, resumable at any moment; then a ranked short list.

pieces of sources -> `prepare` (worker processes: read, symmetry, graphs) -> `network` (this process) -> `folder` (Parquet parts)
-> `select` (where, rank, duplicates, hull) -> `report`
"""
