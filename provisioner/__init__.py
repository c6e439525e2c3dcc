"""Laneway's core: from a forge's event to the objects of a lane, and back to nothing.

Pure modules decide (chain, names, changes, decision, clone, plan, status, routing.intent, routing.envoy);
edge modules act (cluster, git, forges, routing.router); reconcile and sweep tell the story.
"""
