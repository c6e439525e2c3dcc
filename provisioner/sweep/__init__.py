"""The sweep: looks at every lane, and takes away what has ended or lost its lane."""
