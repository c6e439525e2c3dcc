"""Laneway's core: from a forge's event to the objects of a lane, and back to nothing.

`reconcile` tells the story. Packages by subject: `chain` (what a chain's file says), `lane` (what is kept of
a lane, what events make of it), `copies` (what its objects are to be), `status` (what is said of it), `sweep`
(what has ended), `routing` (how requests find it), `git` (what branches changed), `commands`. Modules that
decide are pure; those that act are edges (`cluster`, `git`, `lane.store`, `lane.ledger`, `routing.router`).
"""
