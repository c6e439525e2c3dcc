"""Releases: a lane that takes a growing share of the untagged requests, until the baseline is as it is."""
