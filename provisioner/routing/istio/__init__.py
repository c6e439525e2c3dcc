"""Lanes in an Istio mesh: VirtualServices and DestinationRules, from an intent. Pure.

Each lane has VirtualServices of its own, one for every VirtualService at which it is entered. To that one,
the **host**, it adds a single line in front of the user's rules, which delegates the lane's requests:

    laneway/CHAIN/LANE        the requests of one lane, to its own VirtualService: the user's rules, in their
                              order, each with the lane's copies as destinations
    laneway/CHAIN/refused/N   at an entry that does not trust: requests from outside that name a lane by what
                              does not count
    laneway/CHAIN/baseline/N  requests that name any other lane: the user's rules, saying who answered
    ...                       the user's rules, untouched and in their order

A Service that no VirtualService of the user's governs for everybody gets a host of Laneway's, called
`laneway-SERVICE`, which ends with a rule for all requests. Where the user's rule delegates, what it delegates
to is written into the lane's own VirtualService, since Istio follows one step only.

| module | its job |
|---|---|
| `addresses` | whom a host in a VirtualService means |
| `expressions` | carriers as expressions, and which values may be written at all |
| `matches` | which requests are a lane's; how Istio joins the matches of a rule and of what it delegates to |
| `hosts` | the VirtualServices that matter, with the user's rules |
| `variants` | a rule of the user's as it is for one lane |
| `lines` | Laneway's rules in a host: told from the user's, put in, taken out, bounded |
| `standing` | what each lane has at each service |
| `obstacles` | what keeps lanes out, and what else is to be said of the user's routing |
| `entered` | one host as it is to be, with the lanes' own VirtualServices beside it |
| `destinations` | DestinationRules: the user's for a copy, and warm-up |
| `failover` | the opt-in EnvoyFilter by which the data plane itself goes back to the baseline |
| `driver` | all of them together |

Precedence, as with every driver: header, baggage, cookie, host. Of several lanes in one request's baggage or
cookies the first by name wins: rules are all that Istio orders by, and lines stand in order of their lanes.
"""

from __future__ import annotations

from provisioner.routing.istio.driver import Istio
from provisioner.routing.mesh import Driver

DRIVER: Driver = Istio()
