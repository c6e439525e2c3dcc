"""The story that `make demo` plays: what a lane is, shown on a running system, with every claim checked."""
