"""The controllers of devcluster: level-triggered, one per file, each driven by a work queue of keys."""
