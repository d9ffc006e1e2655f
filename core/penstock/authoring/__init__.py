"""What a user writes: flows, their parameters and decorators, and the graph that is read from their source."""
