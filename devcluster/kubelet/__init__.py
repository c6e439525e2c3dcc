"""The kubelet of devcluster: pods as local processes, each pod on its own loopback address."""
