"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's business, which may be busy with others.
settings.register_profile("laneway", deadline=None)
settings.load_profile("laneway")
