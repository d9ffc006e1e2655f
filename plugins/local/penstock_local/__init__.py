"""Everything on this machine: processes, files, SQLite. A plugin like any other, in the same wheel as the core."""
