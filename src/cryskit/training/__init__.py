"""How an objective is fitted: the plan, the one loop, checkpoints."""
