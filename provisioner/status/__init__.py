"""What is said of a lane: its status, its timeline and the cluster's Events. Reading, not deciding."""
