"""`laneway worker`, that ends itself with SIGKILL at the first call that the environment describes.

`DIE_WHERE` is part of the call's text, `DIE_WHEN` the name of a `Moment`.
"""

from __future__ import annotations

import os
import signal
import sys

from tests.support.crashes import Call, Moment, watched
from workers import commands


def main() -> None:
    where, when = os.environ["DIE_WHERE"], Moment[os.environ["DIE_WHEN"]]

    def hook(call: Call, moment: Moment) -> None:
        if moment is when and where in str(call):
            os.kill(os.getpid(), signal.SIGKILL)

    with watched(hook):
        commands.worker()


if __name__ == "__main__":
    sys.exit(main())
