"""A run, from its launch to its outcome: what is decided, who drives, where each attempt goes."""
