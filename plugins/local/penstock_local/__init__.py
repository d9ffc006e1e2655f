"""penstock's plugin for a single machine."""
