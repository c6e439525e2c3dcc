"""Copies: what a lane's objects are to be, made from the live baseline, and carrying that out."""
