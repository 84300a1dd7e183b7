"""Everything that can be minimised: an objective turns a Graph into named losses."""
