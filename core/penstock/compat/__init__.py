"""Metaflow's own names, and nothing of it elsewhere."""
