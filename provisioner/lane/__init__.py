"""A lane: what is kept of it in the cluster, what an event makes of it, and whether it may start."""
