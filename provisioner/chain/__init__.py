"""A chain: what its file says, how the file is read, and which files are in force."""
