"""Other steps for one release than its chain's file has. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from provisioner.chain import releasing
from provisioner.chain.strategy import Strategy
from provisioner.errors import ConfigError, InputError

_WRONG = re.compile(r"^steps:\d+: strategy\.steps\[(\d+)\](?:\.setWeight)?: ", re.MULTILINE)


def with_weights(strategy: Strategy, weights: Sequence[int]) -> Strategy:
    """The strategy with these weights for steps. A step of a weight that it has stays as it is; any other
    waits as its first step does. InputError, by the grammar of chain files, for weights that do not rise to
    100."""
    known = {one.weight: one.to_json() for one in strategy.steps}
    first = strategy.steps[0].to_json()
    steps = [{**known.get(weight, first), "setWeight": weight} for weight in weights]
    try:
        return releasing.strategy_of({**strategy.to_json(), "steps": steps}, "steps")
    except ConfigError as error:
        wrong = _WRONG.sub(lambda found: f"step {int(found[1]) + 1} ", str(error))
        raise InputError(wrong, where="--steps") from error
