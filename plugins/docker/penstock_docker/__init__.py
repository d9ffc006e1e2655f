"""Tasks in containers of this machine's engine, Docker or Podman."""
