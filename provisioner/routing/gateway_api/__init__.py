"""The `gateway-api` driver: each lane has HTTPRoutes of its own, and nothing is shared. Pure.

* A Service of the chain that nobody has routes for gets, for each lane with a copy and for each HTTP port,
  an HTTPRoute with the Service as its parent: the lane's header, exactly, leads to the copy, and everything
  else to the Service. That catch-all is in each lane's route, beside its rule: a Service with routes answers
  404 to whatever matches none, so there must be one from the first lane to the last, at every moment between,
  and also while the cluster collects what deleted lanes own. Of several that are equal the oldest counts.
* A Service that the user has HTTPRoutes for gets none: the lanes have a variant of each of the user's rules,
  with the lane's header added to each match, and with the copy in the place of the Service. A path that the
  user's routes do not know is unknown to lanes, too.
* An HTTPRoute of the user that leads from a Gateway to a service of the chain gets such variants, too; and
  for preview hosts one per lane, which sets the header that inner hops match.

Which rule wins is what Gateway API says: the longest path, the method, the number of headers, the number of
query parameters, then the oldest route. A variant has one header more than the rule that it was made from and
is equal otherwise, so it goes before that rule and after everything that that rule came after.
"""

from provisioner.routing.gateway_api.driver import DRIVER

__all__ = ["DRIVER"]
