"""What is stored, and how: keys, records, artifacts, logs, tags, the catalogue, the code of a run."""
