"""The embedded system of one laptop: Laneway's own processes beside a real Valkey, a real Envoy and real git,
on the embedded cluster. For trying, developing and testing; nothing in the product knows of it."""
