"""What tests of plugins that call services share: a proxy that does what networks do, ports, patience."""
